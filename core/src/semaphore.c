/* Semaphores, and locks: semaphores of one that know their holder.
 *
 * A lock is one word: 0, or who holds it (pid and time of birth, which together never come
 * again). It is taken and given back by one compare-and-swap, so that a process killed anywhere
 * leaves it free or held by exactly that process. Whoever has waited in vain for a while asks the
 * kernel whether the holder still lives, and otherwise swaps it for itself.
 *
 * A plain semaphore belongs to nobody: what a killed process had taken stays taken.
 */
#include "cells.h"
#include "kill_point.h"

#define SPIN_LOOKS 60            /* some microseconds: less than a wake costs */
#define FIRST_NAP (UINT64_C(20) * 1000 * 1000)
#define JUDGE_INTERVAL (UINT64_C(10) * 1000 * 1000) /* asking costs some 15 microseconds */

static inline bool is_lock(const psn_sync *sync) {
    return sync->cell->kind == PSN_SYNC_LOCK;
}

static inline bool try_take(psn_sync *sync) {
    psn_atomic64 *word = &sync->cell->word;
    uint64_t seen = 0;
    if (is_lock(sync)) { /* acquires: what the last holder did, released in psn_semaphore_give */
        return psn_cas_acq_rel64(word, &seen, psn_holder_self());
    }
    seen = psn_load_relaxed64(word);
    while (seen > 0) {
        if (psn_cas_acq_rel64(word, &seen, seen - 1)) {
            return true;
        }
    }
    return false;
}

psn_status psn_semaphore_try(psn_sync *semaphore) {
    if (!try_take(semaphore)) {
        return PSN_BUSY;
    }
    psn_kill_point(PSN_KILL_SYNC_TAKEN);
    return PSN_OK;
}

/* Takes a lock from a holder that has ended. */
static bool take_over(psn_sync *sync) {
    uint64_t holder = psn_load_acquire64(&sync->cell->word);
    if (!is_lock(sync)) {
        return false;
    }
    psn_store_relaxed64(&sync->judged_at, psn_now());
    /* Nobody is born with the name of the dead: who still finds it there is the only heir. */
    if (holder == 0 || !psn_holder_is_dead(sync->cells, holder) ||
        !psn_cas_acq_rel64(&sync->cell->word, &holder, psn_holder_self())) {
        return false;
    }
    psn_kill_point(PSN_KILL_SYNC_TAKEN_OVER);
    return true;
}

/* For those who do not wait, and may ask in a loop. */
static bool take_over_now_and_then(psn_sync *sync) {
    return is_lock(sync) &&
           psn_now() - psn_load_relaxed64(&sync->judged_at) > JUDGE_INTERVAL && take_over(sync);
}

static bool spin(psn_sync *sync) {
    static psn_atomic32 processors; /* a hint: a later change of affinity only costs some spins */
    uint32_t count = psn_load_relaxed32(&processors);
    if (count == 0) {
        count = psn_os_cpu_count();
        psn_store_relaxed32(&processors, count);
    }
    if (count == 1) {
        return false;
    }
    for (int look = 0; look < SPIN_LOOKS && !psn_event_has_sleepers(&sync->cell->event); look++) {
        psn_pause();
        uint64_t word = psn_load_relaxed64(&sync->cell->word);
        if ((word == 0) == is_lock(sync) && try_take(sync)) {
            return true;
        }
    }
    return false;
}

static psn_status sleep_and_take(psn_sync *sync, uint64_t deadline, bool *abandoned) {
    psn_event *event = &sync->cell->event;
    psn_status status = PSN_OK;
    uint64_t nap = FIRST_NAP;
    uint32_t ticket = psn_event_register(event);
    while (!try_take(sync)) {
        uint64_t now = psn_now();
        if (now >= deadline || status == PSN_INTERRUPTED) {
            psn_event_leave(event, ticket);
            /* Once more: a wake that came too late for this sleeper must not be lost on it. */
            return try_take(sync)              ? PSN_OK
                   : status == PSN_INTERRUPTED ? PSN_INTERRUPTED
                                               : PSN_TIMEOUT;
        }
        status = psn_event_sleep(event, ticket, deadline - now < nap ? deadline : now + nap);
        if (status == PSN_TIMEOUT && take_over(sync)) {
            *abandoned = true;
            break;
        }
        nap = PSN_LONGEST_NAP;
        if (psn_event_is_stale(event, ticket)) {
            ticket = psn_event_register(event);
        }
    }
    psn_event_leave(event, ticket);
    return PSN_OK;
}

psn_status psn_semaphore_wait(psn_sync *semaphore, uint64_t deadline, bool *abandoned) {
    psn_status status;
    *abandoned = false;
    if (try_take(semaphore)) {
        status = PSN_OK;
    } else if (take_over_now_and_then(semaphore)) {
        *abandoned = true;
        status = PSN_OK;
    } else if (deadline <= psn_now()) {
        status = PSN_TIMEOUT;
    } else {
        status = spin(semaphore) ? PSN_OK : sleep_and_take(semaphore, deadline, abandoned);
    }
    if (status == PSN_OK) {
        psn_kill_point(PSN_KILL_SYNC_TAKEN);
    }
    return status;
}

psn_status psn_semaphore_give(psn_sync *semaphore) {
    psn_cell *cell = semaphore->cell;
    bool lock = is_lock(semaphore);
    uint64_t seen = psn_load_relaxed64(&cell->word);
    do {
        if (lock ? seen == 0 : seen >= cell->max) {
            return PSN_FULL;
        }
        /* releases: what the holder did -> acquired in try_take */
    } while (!psn_cas_acq_rel64(&cell->word, &seen, lock ? 0 : seen + 1));
    psn_kill_point(PSN_KILL_SYNC_GIVEN);
    psn_event_wake(&cell->event, 1);
    psn_kill_point(PSN_KILL_SYNC_WOKE);
    return PSN_OK;
}

uint64_t psn_semaphore_value(const psn_sync *semaphore) {
    uint64_t word = psn_load_acquire64(&semaphore->cell->word);
    return is_lock(semaphore) ? word == 0 : word;
}

uint64_t psn_semaphore_max(const psn_sync *semaphore) {
    return semaphore->cell->max;
}
