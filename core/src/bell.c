/* Ringing and quieting. */
#include "bell.h"

#include "kill_point.h"

static psn_status lock_bell(psn_lane *lane, psn_bell bell) {
    bool abandoned = false;
    psn_status status = psn_mutex_lock(&lane->bell_lock, &abandoned);
    if (abandoned) { /* rung or not, nobody knows: start from silence as far as we can */
        if (bell.listen_fd >= 0) {
            psn_os_quiet(bell.listen_fd);
        }
        psn_store_relaxed32(&lane->rung, 0);
    }
    if (status == PSN_OK) {
        psn_kill_point(PSN_KILL_BELL_LOCKED);
    }
    return status;
}

/* A listener at a pipe's reading end rings for itself through another writing end. */
static void ring(psn_bell bell) {
    int fd = bell.ring_fd;
    if (fd < 0 && psn_os_pipe_strong(bell.listen_fd, true, &fd) != PSN_OK) {
        return;
    }
    psn_os_ring(fd);
    if (fd != bell.ring_fd) {
        psn_os_close(fd);
    }
}

/* Brings the bell into the lane's state. The lane may change at the same time: who changes it comes
 * here afterwards, except a producer that finds the bell rung, and for that one we look again after
 * `rung` has been taken back (each side stores, fences and then looks at the other's). */
static void update_locked(psn_lane *lane, psn_bell bell) {
    for (;;) {
        bool has_message = psn_lane_has_message(lane);
        bool rung = psn_load_relaxed32(&lane->rung) != 0;
        if (has_message && !rung) {
            ring(bell); /* before the note of it: a kill in between rings twice, harmless */
            psn_kill_point(PSN_KILL_BELL_RUNG);
            psn_store_release32(&lane->rung, 1);
        } else if (!has_message && rung && bell.listen_fd >= 0) {
            psn_store_release32(&lane->rung, 0); /* first: a kill in between must not mute it */
            psn_kill_point(PSN_KILL_BELL_CLEARED);
            psn_os_quiet(bell.listen_fd);
            psn_fence_seq();
            continue;
        }
        return;
    }
}

void psn_bell_update(psn_lane *lane, psn_bell bell) {
    psn_fence_seq(); /* the caller's commit before the looks: pairs with the fence above */
    if (PSN_LIKELY(psn_load_relaxed32(&lane->watched) == 0)) {
        return;
    }
    /* Only this pair needs no lock. An empty lane with a silent bell does: a producer may be
     * about to ring for the message that the caller has just taken. */
    if (psn_lane_has_message(lane) && psn_load_acquire32(&lane->rung) != 0) {
        return;
    }
    if (lock_bell(lane, bell) == PSN_OK) {
        update_locked(lane, bell);
        psn_mutex_unlock(&lane->bell_lock);
    }
}

psn_status psn_bell_watch(psn_lane *lane, psn_bell bell) {
    if (psn_load_acquire32(&lane->watched) != 0) {
        return PSN_OK;
    }
    psn_status status = lock_bell(lane, bell);
    if (status != PSN_OK) {
        return status;
    }
    if (psn_load_relaxed32(&lane->watched) == 0) {
        psn_os_quiet(bell.listen_fd);
        psn_store_relaxed32(&lane->rung, 0);
        psn_store_release32(&lane->watched, 1);
        psn_fence_seq();
        update_locked(lane, bell);
    }
    psn_mutex_unlock(&lane->bell_lock);
    return PSN_OK;
}

void psn_bell_settle(psn_lane *lane, psn_bell bell) {
    if (lock_bell(lane, bell) == PSN_OK) {
        if (!psn_lane_has_message(lane)) {
            psn_store_release32(&lane->rung, 0);
            psn_os_quiet(bell.listen_fd);
        }
        update_locked(lane, bell);
        psn_mutex_unlock(&lane->bell_lock);
    }
}
