/* The eventcount over futex(2). */
#include "event.h"

#include "kill_point.h"

#define SLEEPERS UINT64_C(0xffffffff)

static uint32_t ticket_of(uint64_t word) {
    return (uint32_t)(word >> 32);
}

/* The half of the word that holds the ticket, as the kernel wants it. */
static psn_atomic32 *futex_of(psn_event *event) {
    psn_atomic32 *halves = (psn_atomic32 *)(void *)&event->word;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return &halves[1];
#else
    return &halves[0];
#endif
}

uint32_t psn_event_register(psn_event *event) {
    uint32_t ticket = ticket_of(psn_add_seq64(&event->word, 1));
    psn_fence_seq(); /* before the caller's look: the addition alone does not order it on ARM64 */
    psn_kill_point(PSN_KILL_WAIT_REGISTERED);
    return ticket;
}

void psn_event_leave(psn_event *event, uint32_t ticket) {
    uint64_t word = psn_load_acquire64(&event->word);
    /* With another ticket somebody was claimed in between, perhaps the caller: leave the count. */
    while (ticket_of(word) == ticket && (word & SLEEPERS) > 0) {
        if (psn_cas_acq_rel64(&event->word, &word, word - 1)) {
            return;
        }
    }
}

psn_status psn_event_sleep(psn_event *event, uint32_t ticket, uint64_t deadline) {
    psn_status status = psn_os_futex_wait(futex_of(event), ticket, deadline);
    psn_kill_point(PSN_KILL_WAIT_WOKEN);
    return status;
}

bool psn_event_is_stale(const psn_event *event, uint32_t ticket) {
    return ticket_of(psn_load_acquire64(&event->word)) != ticket;
}

uint32_t psn_event_claim_after_fence(psn_event *event, uint32_t count) {
    uint64_t word = psn_load_relaxed64(&event->word);
    for (;;) {
        uint64_t sleepers = word & SLEEPERS;
        if (PSN_LIKELY(sleepers == 0)) {
            return 0;
        }
        uint32_t claimed = sleepers < count ? (uint32_t)sleepers : count;
        uint64_t next = ((uint64_t)(ticket_of(word) + 1U) << 32) | (sleepers - claimed);
        if (psn_cas_seq64(&event->word, &word, next)) {
            psn_kill_point(PSN_KILL_WAKE_CLAIMED);
            return claimed;
        }
    }
}

void psn_event_wake_after_fence(psn_event *event, uint32_t count) {
    uint32_t claimed = psn_event_claim_after_fence(event, count);
    if (claimed > 0) {
        psn_os_futex_wake(futex_of(event), claimed);
    }
}

void psn_event_wake(psn_event *event, uint32_t count) {
    psn_fence_seq(); /* pairs with the one in psn_event_register */
    psn_event_wake_after_fence(event, count);
}

bool psn_event_has_sleepers(const psn_event *event) {
    return (psn_load_relaxed64(&event->word) & SLEEPERS) > 0;
}
