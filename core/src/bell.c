/* Watching and quieting; ringing is a step of putting (ring_ahead in lane_put.c). */
#include "bell.h"

#include "kill_point.h"

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

/* Killed in between, nobody knows whether it rings: a producer rings again, a consumer quiets. */
static void quiet(psn_lane *lane, psn_bell bell) {
    psn_store_relaxed32(&lane->rung, PSN_BELL_UNSURE);
    psn_order_stores();
    psn_os_quiet(bell.listen_fd);
    psn_kill_point(PSN_KILL_BELL_CLEARED);
    psn_store_relaxed32(&lane->rung, PSN_BELL_SILENT);
}

/* While the lock is held somebody is putting: asleep until then, rather than looking again and
 * again on the processor that the putter needs. But not for long: the putter may be stopped. The
 * bell then rings on, and the next look at the empty lane comes here again. */
void psn_bell_settle(psn_lane_handle *handle, psn_bell bell) {
    psn_lane *lane = handle->shared;
    if (psn_lane_lock_put(handle, PSN_SHORT_LOCK) == PSN_OK) {
        psn_kill_point(PSN_KILL_BELL_LOCKED);
        if (!psn_lane_has_message(lane)) {
            quiet(lane, bell);
        }
        psn_mutex_unlock(&lane->put_lock);
    }
}

void psn_bell_update(psn_lane_handle *handle, psn_bell bell) {
    const psn_lane *lane = handle->shared;
    if (PSN_LIKELY(psn_load_relaxed32(&lane->watched) == 0) || psn_lane_has_message(lane) ||
        psn_load_relaxed32(&lane->rung) == PSN_BELL_SILENT) {
        return;
    }
    psn_bell_settle(handle, bell);
}

psn_status psn_bell_watch(psn_lane_handle *handle, psn_bell bell) {
    psn_lane *lane = handle->shared;
    if (psn_load_acquire32(&lane->watched) != 0) {
        return PSN_OK;
    }
    psn_status status = psn_lane_lock_put(handle, 0);
    if (status != PSN_OK) {
        return status;
    }
    if (psn_load_relaxed32(&lane->watched) == 0) {
        quiet(lane, bell);
        if (psn_lane_has_message(lane)) {
            ring(bell);
            psn_store_relaxed32(&lane->rung, PSN_BELL_RUNG);
        }
        psn_store_release32(&lane->watched, 1);
        psn_fence_seq(); /* a taker sees `watched`, or we see that it took the last message */
        if (!psn_lane_has_message(lane)) {
            quiet(lane, bell);
        }
    }
    psn_mutex_unlock(&lane->put_lock);
    return PSN_OK;
}
