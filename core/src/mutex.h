/* A lock in shared memory that the death of its holder releases.
 *
 * POSIX robust mutex (pthread_mutexattr_setrobust(3)): the kernel walks the dying thread's list
 * and marks what it held; the next to lock is told. Costs 7 ns a pair uncontended (mutex_short_way.h),
 * and 25 us to recover. What it protects must be consistent after every single store: each user says how.
 */
#ifndef PSN_MUTEX_H
#define PSN_MUTEX_H

#include <pthread.h>

#include "status.h"

typedef struct {
    pthread_mutex_t mutex;
} psn_mutex;

psn_status psn_mutex_init(psn_mutex *mutex);
/* *abandoned is set when the last holder died holding it, and left alone otherwise. */
psn_status psn_mutex_lock(psn_mutex *mutex, bool *abandoned);
/* As psn_mutex_lock, but PSN_BUSY after PSN_SHORT_WAIT: a holder may be stopped (SIGSTOP). */
psn_status psn_mutex_lock_shortly(psn_mutex *mutex, bool *abandoned);
#define PSN_SHORT_WAIT (UINT64_C(100) * 1000 * 1000)
psn_status psn_mutex_try_lock(psn_mutex *mutex, bool *abandoned); /* PSN_BUSY */
/* As psn_mutex_try_lock, for locks that are held for long: looks once. */
psn_status psn_mutex_try_lock_once(psn_mutex *mutex, bool *abandoned);
/* As PSN_TRY_LOCK or PSN_SHORT_LOCK in `flags` say, else for as long as it takes. */
psn_status psn_mutex_lock_with(psn_mutex *mutex, unsigned flags, bool *abandoned);
/* A full fence (psn_fence_seq) as well: what was stored under the lock is seen by whoever sleeps after
 * the caller has looked for sleepers. */
void psn_mutex_unlock(psn_mutex *mutex);

#endif
