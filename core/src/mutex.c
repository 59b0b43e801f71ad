/* Robust process-shared mutexes. */
#include "mutex.h"

#include <errno.h>
#include <time.h>

#include "atomic.h"
#include "mutex_short_way.h"

#define LONGEST_SLEEP UINT64_C(50000000) /* nanoseconds, under a second */

psn_status psn_mutex_init(psn_mutex *mutex) {
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error == 0) {
        error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        if (error == 0) {
            error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        }
        if (error == 0) {
            error = pthread_mutex_init(&mutex->mutex, &attributes);
        }
        pthread_mutexattr_destroy(&attributes);
    }
    errno = error;
    return error == 0 ? PSN_OK : PSN_SYSTEM;
}

static psn_status outcome(psn_mutex *mutex, int error, bool *abandoned) {
    if (PSN_LIKELY(error == 0)) {
        return PSN_OK;
    }
    if (error == EBUSY) {
        return PSN_BUSY;
    }
    if (error == EOWNERDEAD) {
        pthread_mutex_consistent(&mutex->mutex);
        *abandoned = true;
        return PSN_OK;
    }
    return psn_fail(PSN_CORRUPT, "a lock in shared memory reports error %d", error);
}

static inline int try_once(psn_mutex *mutex) {
#if PSN_HAS_SHORT_WAY
    if (PSN_LIKELY(psn_take_short_way(&mutex->mutex))) {
        return 0;
    }
#endif
    return pthread_mutex_trylock(&mutex->mutex);
}

psn_status psn_mutex_try_lock_once(psn_mutex *mutex, bool *abandoned) {
    return outcome(mutex, try_once(mutex), abandoned);
}

psn_status psn_mutex_try_lock(psn_mutex *mutex, bool *abandoned) {
    /* Critical sections take some hundred nanoseconds: a holder that runs is soon done. */
    int error = try_once(mutex);
    for (int spin = 0; PSN_UNLIKELY(error == EBUSY) && spin < 20; spin++) {
        psn_pause();
        error = try_once(mutex);
    }
    return outcome(mutex, error, abandoned);
}

/* Sleeps for it, but not for long.  PSN_BUSY when it was in vain. */
static psn_status lock_within(psn_mutex *mutex, uint64_t nanoseconds, bool *abandoned) {
    struct timespec until; /* the system's clock: the only one that POSIX has for this */
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)nanoseconds;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    int error = pthread_mutex_timedlock(&mutex->mutex, &until);
    return outcome(mutex, error == ETIMEDOUT ? EBUSY : error, abandoned);
}

/* Who sleeps may be forgotten: a process that was woken and killed before it took the lock has used
 * up the wake, and if another one takes the lock at that moment, without having slept, neither
 * kernel nor C library know of those who still do.  So nobody sleeps for long without a look. */
psn_status psn_mutex_lock(psn_mutex *mutex, bool *abandoned) {
    psn_status status = psn_mutex_try_lock(mutex, abandoned);
    while (PSN_UNLIKELY(status == PSN_BUSY)) {
        status = lock_within(mutex, LONGEST_SLEEP, abandoned);
    }
    return status;
}

psn_status psn_mutex_lock_shortly(psn_mutex *mutex, bool *abandoned) {
    psn_status status = psn_mutex_try_lock(mutex, abandoned);
    if (PSN_LIKELY(status != PSN_BUSY)) {
        return status;
    }
    return lock_within(mutex, PSN_SHORT_WAIT, abandoned);
}

psn_status psn_mutex_lock_with(psn_mutex *mutex, unsigned flags, bool *abandoned) {
    if ((flags & PSN_TRY_LOCK) != 0) {
        return psn_mutex_try_lock(mutex, abandoned);
    }
    return (flags & PSN_SHORT_LOCK) != 0 ? psn_mutex_lock_shortly(mutex, abandoned)
                                         : psn_mutex_lock(mutex, abandoned);
}

void psn_mutex_unlock(psn_mutex *mutex) {
#if PSN_HAS_SHORT_WAY
    if (PSN_LIKELY(psn_give_back_short_way(&mutex->mutex))) {
        return;
    }
#endif
    pthread_mutex_unlock(&mutex->mutex);
    psn_fence_seq();
}
