/* An eventcount: sleep until something may have changed, and never a system call to wake nobody.
 *
 * One word holds two counts: `sleepers` (registered to sleep) and `ticket` (wakes so far). The
 * waker claims sleepers by a compare-and-swap that lowers the one and raises the other, and then
 * makes one system call for as many as it claimed. So a sleeper on its way up is not woken again.
 *
 * Invariant: sleepers may be too high (somebody was killed asleep: one superfluous system call
 * each), never too low. A waker killed between its change and its wake, and a sleeper killed
 * after it was woken, lose a wake: therefore every sleep is bounded and looks again.
 */
#ifndef PSN_EVENT_H
#define PSN_EVENT_H

#include "os.h"

typedef struct {
    psn_atomic64 word; /* ticket << 32 | sleepers */
} psn_event;

/* Registers the caller as a sleeper; the ticket that it sleeps on. Then look once more. */
uint32_t psn_event_register(psn_event *event);
/* The caller does not sleep after all, or no longer. */
void psn_event_leave(psn_event *event, uint32_t ticket);
/* Sleeps while the ticket is the current one; PSN_OK when it may have been woken. */
psn_status psn_event_sleep(psn_event *event, uint32_t ticket, uint64_t deadline);
/* Has somebody been woken since the ticket was taken? Then register anew. */
bool psn_event_is_stale(const psn_event *event, uint32_t ticket);
/* Claims up to `count` sleepers; how many. Between what the caller stored and this lies a full fence
 * (psn_mutex_unlock is one): so the store is seen by whoever registers later. */
uint32_t psn_event_claim_after_fence(psn_event *event, uint32_t count);
/* Claims and wakes. */
void psn_event_wake_after_fence(psn_event *event, uint32_t count);
/* The same with the fence. */
void psn_event_wake(psn_event *event, uint32_t count);
bool psn_event_has_sleepers(const psn_event *event);

#endif
