/* Flags: set or not, and how often they were set.
 *
 * Both stand in one word, so a waiter that slept through a set and a clear still knows that the
 * flag was set in between.
 */
#include "cells.h"
#include "kill_point.h"

bool psn_flag_is_set(const psn_sync *flag) {
    return (psn_load_acquire64(&flag->cell->word) & 1) != 0;
}

void psn_flag_set(psn_sync *flag) {
    uint64_t word = psn_load_acquire64(&flag->cell->word);
    while ((word & 1) == 0) {
        /* releases: what came before the set -> acquired in psn_flag_is_set and has_been_set */
        if (psn_cas_acq_rel64(&flag->cell->word, &word, (word + 2) | 1)) {
            break;
        }
    }
    psn_kill_point(PSN_KILL_SYNC_FLAG_SET);
    psn_event_wake(&flag->cell->event, UINT32_MAX);
}

void psn_flag_clear(psn_sync *flag) {
    psn_and_acq_rel64(&flag->cell->word, ~UINT64_C(1));
}

static bool has_been_set(const psn_sync *flag, uint64_t since) {
    uint64_t word = psn_load_acquire64(&flag->cell->word);
    return (word & 1) != 0 || word >> 1 != since >> 1;
}

uint64_t psn_flag_look(const psn_sync *flag) {
    return psn_load_acquire64(&flag->cell->word);
}

psn_status psn_flag_wait(psn_sync *flag, uint64_t deadline) {
    return psn_flag_wait_since(flag, psn_flag_look(flag), deadline);
}

psn_status psn_flag_wait_since(psn_sync *flag, uint64_t since, uint64_t deadline) {
    psn_event *event = &flag->cell->event;
    psn_status status = PSN_OK;
    if (has_been_set(flag, since)) {
        return PSN_OK;
    }
    uint32_t ticket = psn_event_register(event);
    while (!has_been_set(flag, since)) {
        uint64_t now = psn_now();
        if (now >= deadline || status == PSN_INTERRUPTED) {
            psn_event_leave(event, ticket);
            return status == PSN_INTERRUPTED ? PSN_INTERRUPTED : PSN_TIMEOUT;
        }
        status = psn_event_sleep(event, ticket, deadline - now < PSN_LONGEST_NAP
                                                    ? deadline
                                                    : now + PSN_LONGEST_NAP);
        if (psn_event_is_stale(event, ticket)) {
            ticket = psn_event_register(event);
        }
    }
    psn_event_leave(event, ticket);
    return PSN_OK;
}
