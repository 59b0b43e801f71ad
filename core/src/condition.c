/* Conditions: a parking lot in shared memory.
 *
 * Each waiting thread has a place of its own: a robust lock that it holds while it waits, a word
 * on which it sleeps, and its turn. Whoever notifies looks for the longest waiting whose lock is
 * held; the kernel gives up the locks of the dead, so that no notification is spent on them and
 * nobody waits for their answer. Places are shared by all conditions of the same cells.
 *
 * Entering and notifying are done by those who hold the lock that goes with the condition; the
 * places themselves need no lock, for one condition's users know nothing of another's.
 */
#include "cells.h"
#include "kill_point.h"

/* The turn is part of the word: whoever looked at a place and then changes it changes it for the
 * very waiter that it saw, not for one who came later. */
static uint32_t phase_of(uint32_t state) {
    return state & 3U;
}

static uint32_t with_phase(uint32_t state, psn_waiting phase) {
    return (state & ~3U) | (uint32_t)phase;
}

static uint32_t usable(const psn_sync *condition) {
    return psn_load_acquire32(&psn_cells_head_of(condition->cells)->waiters);
}

/* Also a place that its thread took to its grave. */
static bool claim(psn_waiter *waiter) {
    bool abandoned = false;
    return psn_mutex_try_lock_once(&waiter->life, &abandoned) == PSN_OK;
}

static bool claim_among(psn_sync *condition, bool idle_only, uint32_t *number) {
    uint32_t count = usable(condition);
    for (uint32_t i = 0; i < count; i++) {
        psn_waiter *waiter = psn_cells_waiter(condition->cells, i);
        bool may_be_free =
            !idle_only || phase_of(psn_load_relaxed32(&waiter->state)) == PSN_WAITER_IDLE;
        if (may_be_free && claim(waiter)) {
            *number = i;
            return true;
        }
    }
    return false;
}

static psn_status claim_any(psn_sync *condition, uint32_t *number) {
    for (;;) {
        uint32_t count = usable(condition);
        if (claim_among(condition, true, number)) {
            return PSN_OK;
        }
        psn_status status = psn_cells_grow_waiters(condition->cells, count);
        if (status != PSN_OK) { /* the dead's places come last: asking for each takes time */
            return claim_among(condition, false, number) ? PSN_OK : status;
        }
    }
}

psn_status psn_condition_enter(psn_sync *condition, uint32_t *waiter) {
    psn_status status = claim_any(condition, waiter);
    if (status != PSN_OK) {
        return status;
    }
    psn_waiter *mine = psn_cells_waiter(condition->cells, *waiter);
    uint64_t turn = psn_add_relaxed64(&psn_cells_head_of(condition->cells)->order, 1);
    psn_kill_point(PSN_KILL_SYNC_WAITER_CLAIMED);
    psn_store_relaxed32(&mine->cell, condition->number);
    psn_store_relaxed64(&mine->order, turn);
    /* publishes: cell and order -> acquired in is_waiting */
    psn_store_release32(&mine->state, with_phase((uint32_t)turn << 2, PSN_WAITER_WAITING));
    psn_kill_point(PSN_KILL_SYNC_WAITER_ENTERED);
    return PSN_OK;
}

psn_status psn_condition_sleep(psn_sync *condition, uint32_t waiter, uint64_t deadline) {
    psn_waiter *mine = psn_cells_waiter(condition->cells, waiter);
    uint32_t state;
    psn_status status = PSN_OK;
    while (phase_of(state = psn_load_acquire32(&mine->state)) == PSN_WAITER_WAITING) {
        uint64_t now = psn_now();
        if (now >= deadline || status == PSN_INTERRUPTED) {
            return status == PSN_INTERRUPTED ? PSN_INTERRUPTED : PSN_TIMEOUT;
        }
        status = psn_os_futex_wait(&mine->state, state,
                                   deadline - now < PSN_LONGEST_NAP ? deadline
                                                                    : now + PSN_LONGEST_NAP);
        psn_kill_point(PSN_KILL_WAIT_WOKEN);
    }
    return PSN_OK;
}

bool psn_condition_leave(psn_sync *condition, uint32_t waiter) {
    psn_waiter *mine = psn_cells_waiter(condition->cells, waiter);
    uint32_t state = with_phase(psn_load_relaxed32(&mine->state), PSN_WAITER_WAITING);
    bool gave_up = psn_cas_acq_rel32(&mine->state, &state, with_phase(state, PSN_WAITER_IDLE));
    psn_kill_point(PSN_KILL_SYNC_WAITER_LEAVING);
    psn_store_release32(&mine->state, with_phase(state, PSN_WAITER_IDLE));
    psn_mutex_unlock(&mine->life);
    return !gave_up;
}

/* ---- notifying ---- */

/* *state: what to compare with before it is changed. */
static bool is_waiting(const psn_sync *condition, uint32_t number, uint32_t *state) {
    const psn_waiter *waiter = psn_cells_waiter(condition->cells, number);
    *state = psn_load_acquire32(&waiter->state);
    return phase_of(*state) == PSN_WAITER_WAITING &&
           psn_load_relaxed32(&waiter->cell) == condition->number;
}

/* Is a thread behind it? If not, the place is free from now on. */
static bool is_alive(psn_waiter *waiter) {
    if (!claim(waiter)) {
        return true;
    }
    psn_store_release32(&waiter->state,
                        with_phase(psn_load_relaxed32(&waiter->state), PSN_WAITER_IDLE));
    psn_mutex_unlock(&waiter->life);
    return false;
}

static bool notify_one(psn_waiter *waiter, uint32_t state) {
    if (!is_alive(waiter) ||
        !psn_cas_acq_rel32(&waiter->state, &state, with_phase(state, PSN_WAITER_NOTIFIED))) {
        return false; /* dead, or it has just given up */
    }
    psn_kill_point(PSN_KILL_SYNC_WAITER_NOTIFIED);
    psn_os_futex_wake(&waiter->state, 1);
    return true;
}

/* The longest waiting; NULL when there is none. */
static psn_waiter *oldest(const psn_sync *condition, uint32_t *state) {
    psn_waiter *found = NULL;
    uint64_t least = UINT64_MAX;
    uint32_t count = usable(condition), seen;
    for (uint32_t i = 0; i < count; i++) {
        psn_waiter *waiter = psn_cells_waiter(condition->cells, i);
        if (is_waiting(condition, i, &seen) && psn_load_relaxed64(&waiter->order) < least) {
            least = psn_load_relaxed64(&waiter->order);
            found = waiter;
            *state = seen;
        }
    }
    return found;
}

uint64_t psn_condition_notify(psn_sync *condition, uint64_t count) {
    uint64_t notified = 0;
    uint32_t places = usable(condition), state;
    if (count >= places) { /* all of them, in any order */
        for (uint32_t i = 0; i < places; i++) {
            notified += is_waiting(condition, i, &state) &&
                        notify_one(psn_cells_waiter(condition->cells, i), state);
        }
        return notified;
    }
    while (notified < count) {
        psn_waiter *waiter = oldest(condition, &state);
        if (waiter == NULL) {
            break;
        }
        notified += notify_one(waiter, state);
    }
    return notified;
}

uint64_t psn_condition_waiters(psn_sync *condition) {
    uint64_t count = 0;
    uint32_t places = usable(condition), state;
    for (uint32_t i = 0; i < places; i++) {
        count += is_waiting(condition, i, &state) &&
                 is_alive(psn_cells_waiter(condition->cells, i));
    }
    return count;
}

uint64_t psn_condition_note(const psn_sync *condition, unsigned which) {
    return psn_load_acquire64(&condition->cell->notes[which]);
}

void psn_condition_set_note(psn_sync *condition, unsigned which, uint64_t value) {
    psn_store_release64(&condition->cell->notes[which], value);
}
