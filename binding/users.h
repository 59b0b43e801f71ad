/* The calls under way in an object that may be closed meanwhile: by another of its threads, or by a
 * reducer that a call runs.  The last one out of a closed object gives back what it stands on. */
#ifndef PROCESSION_USERS_H
#define PROCESSION_USERS_H

#include "binding.h"

typedef struct {
    bool closed;
    int count;
    unsigned forks; /* psn_fork_count() when they were counted: a child has none of those threads */
} psn_users;

static inline void
psn_users_enter(psn_users *users)
{
    if (users->forks != psn_fork_count()) {
        users->forks = psn_fork_count();
        users->count = 0;
    }
    users->count++;
    psn_calls_under_way++;
}

/* Is the object to be given back now? */
static inline bool
psn_users_leave(psn_users *users)
{
    psn_calls_under_way--;
    if (users->forks != psn_fork_count()) { /* forked in the midst of this call, by a reducer */
        users->forks = psn_fork_count();
        users->count = 1;
    }
    return --users->count == 0 && users->closed;
}

/* The same. */
static inline bool
psn_users_close(psn_users *users)
{
    users->closed = true;
    return users->count == 0 || (users->forks != psn_fork_count() && psn_calls_under_way == 0);
}

#endif
