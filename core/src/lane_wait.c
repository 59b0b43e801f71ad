/* Waiting for a message or for room: look, spin while it can pay, then sleep.
 *
 * A wake across processors costs tens of microseconds, a spin that sees the change a tenth of
 * one. So one side spins, but only while the other last ran on another processor (spinning on the
 * processor that the other needs is pure loss), for no longer than a wake would take,
 * only one at a time, and rarely once spins have been in vain.
 *
 * Who spins for a message promises it, in the lane: "I look until then". A producer that finds
 * sleepers and a promise claims the promise, once, in place of waking one of them.
 *   - No message is lost on a spinner that has given up: it withdraws its promise before it
 *     registers as a sleeper and looks once more, and a claim comes after the commit of the message.
 *   - A spinner that was killed promises nothing for longer than one spin; a message for which its
 *     promise was claimed is found when the next sleeper looks, as after a lost wake (death.md).
 */
#include "arena.h"
#include "kill_point.h"
#include "lane.h"

#define SPIN_NANOSECONDS UINT64_C(20000)
#define SPIN_LOOKS_PER_CLOCK 8
#define WASTED_LIMIT 8U
#define WASTED_RETRY 64U
#define IDLE_SLEEPS_BEFORE_COOLING 4U

static bool should_spin(psn_lane_handle *handle, const psn_atomic32 *other_side) {
    uint32_t other = psn_load_relaxed32(other_side);
    if (other == 0 || other == psn_os_cpu() + 1) {
        return false; /* on a machine of one processor the other side is always here */
    }
    uint32_t wasted = psn_load_relaxed32(&handle->wasted_spins);
    if (wasted < WASTED_LIMIT || wasted % WASTED_RETRY == 0) {
        return true;
    }
    psn_store_relaxed32(&handle->wasted_spins, wasted + 1);
    return false;
}

static bool spin_until(psn_lane_handle *handle, bool (*condition)(const psn_lane *),
                       uint64_t end) {
    do {
        for (int look = 0; look < SPIN_LOOKS_PER_CLOCK; look++) {
            if (condition(handle->shared)) {
                psn_store_relaxed32(&handle->wasted_spins, 0);
                return true;
            }
            psn_pause();
        }
    } while (psn_now() < end);
    psn_store_relaxed32(&handle->wasted_spins, psn_load_relaxed32(&handle->wasted_spins) + 1);
    return false;
}

bool psn_lane_spin_for_message(psn_lane_handle *handle) {
    psn_lane *lane = handle->shared;
    if (psn_lane_has_message(lane)) {
        return true;
    }
    if (!should_spin(handle, &lane->producer_cpu)) {
        return false;
    }
    uint64_t now = psn_now();
    uint64_t end = now + SPIN_NANOSECONDS;
    uint64_t promised = psn_load_relaxed64(&lane->spinner);
    if (promised > now || !psn_cas_acq_rel64(&lane->spinner, &promised, end)) {
        return false; /* somebody spins already */
    }
    psn_kill_point(PSN_KILL_SPIN_PROMISED);
    bool seen = spin_until(handle, psn_lane_has_message, end);
    promised = end;
    psn_cas_acq_rel64(&lane->spinner, &promised, 0); /* unless it was claimed */
    return seen;
}

void psn_lane_wake_for_messages(psn_lane *lane, uint32_t count) {
    if (PSN_LIKELY(!psn_event_has_sleepers(&lane->has_message))) {
        return;
    }
    uint64_t promised = psn_load_relaxed64(&lane->spinner);
    if (promised != 0 && promised > psn_now() &&
        psn_cas_acq_rel64(&lane->spinner, &promised, 0)) {
        psn_kill_point(PSN_KILL_SPIN_CLAIMED);
        count--;
    }
    if (count > 0) {
        psn_event_wake_after_fence(&lane->has_message, count);
    }
}

/* Nothing has come for a while: what is kept warm for the next message is given back. */
static void cool(psn_lane_handle *handle) {
    psn_arena_cool(handle->segment);
    if (handle->minded != NULL) {
        psn_arena_cool(handle->minded);
    }
}

void psn_lane_note_idle_sleep(psn_lane_handle *handle) {
    uint32_t sleeps = psn_load_relaxed32(&handle->idle_sleeps) + 1;
    psn_store_relaxed32(&handle->idle_sleeps, sleeps);
    /* Again and again: buffers that were received are given back long after their message. */
    if (sleeps % IDLE_SLEEPS_BEFORE_COOLING == 0) {
        cool(handle);
    }
}

static psn_status sleep_until(psn_lane_handle *handle, psn_event *event,
                              bool (*condition)(const psn_lane *), uint64_t deadline) {
    psn_status status = PSN_OK;
    uint32_t ticket = psn_event_register(event);
    while (!condition(handle->shared)) {
        uint64_t now = psn_now();
        if (now >= deadline || status == PSN_INTERRUPTED) {
            psn_event_leave(event, ticket);
            /* Once more: a wake that came too late for this sleeper must not be lost on it. */
            return condition(handle->shared)   ? PSN_OK
                   : status == PSN_INTERRUPTED ? PSN_INTERRUPTED
                                               : PSN_TIMEOUT;
        }
        uint64_t longest = now + PSN_LONGEST_SLEEP;
        status = psn_event_sleep(event, ticket, deadline < longest ? deadline : longest);
        if (psn_event_is_stale(event, ticket)) {
            ticket = psn_event_register(event);
        }
        if (status == PSN_TIMEOUT) {
            psn_lane_note_idle_sleep(handle);
        }
    }
    psn_event_leave(event, ticket);
    psn_store_relaxed32(&handle->idle_sleeps, 0);
    return PSN_OK;
}

psn_status psn_lane_wait_message(psn_lane_handle *handle, uint64_t deadline) {
    if (psn_lane_spin_for_message(handle)) {
        return PSN_OK;
    }
    return sleep_until(handle, &handle->shared->has_message, psn_lane_has_message, deadline);
}

psn_status psn_lane_wait_room(psn_lane_handle *handle, uint64_t deadline) {
    psn_lane *lane = handle->shared;
    if (psn_lane_has_room(lane) ||
        (!psn_event_has_sleepers(&lane->has_room) && should_spin(handle, &lane->consumer_cpu) &&
         spin_until(handle, psn_lane_has_room, psn_now() + SPIN_NANOSECONDS))) {
        return PSN_OK;
    }
    return sleep_until(handle, &lane->has_room, psn_lane_has_room, deadline);
}

static bool all_done(const psn_lane *lane) {
    uint64_t done = psn_load_acquire64(&lane->done);
    return psn_lane_put_count(lane) == done;
}

psn_status psn_lane_wait_all_done(psn_lane_handle *handle, uint64_t deadline) {
    return sleep_until(handle, &handle->shared->all_done, all_done, deadline);
}
