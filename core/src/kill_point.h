/* Named places where a test can have the process killed, in the very code that ships.
 *
 * Costs one load of a process-local word that is almost always zero. Each name says what has
 * just happened; docs/design/death.md says what the others see if the process ends there.
 */
#ifndef PSN_KILL_POINT_H
#define PSN_KILL_POINT_H

#include "compiler.h"

#define PSN_KILL_POINTS(X)                                                                       \
    X(PUT_LOCKED, "put.locked")                                                                  \
    X(PUT_CHUNK_TAKEN, "put.chunk_taken")                                                        \
    X(PUT_CHUNK_LINKED, "put.chunk_linked")                                                      \
    X(PUT_WRITTEN, "put.written")                                                                \
    X(PUT_POSITIONED, "put.positioned")                                                          \
    X(PUT_COMMITTED, "put.committed")                                                            \
    X(PUT_UNLOCKED, "put.unlocked")                                                              \
    X(PUT_NOTIFIED, "put.notified")                                                              \
    X(TAKE_LOCKED, "take.locked")                                                                \
    X(TAKE_CLAIMED, "take.claimed")                                                              \
    X(TAKE_COPIED, "take.copied")                                                                \
    X(TAKE_POSITIONED, "take.positioned")                                                        \
    X(TAKE_COMMITTED, "take.committed")                                                          \
    X(TAKE_CHUNK_DOOMED, "take.chunk_doomed")                                                    \
    X(TAKE_CHUNK_UNLINKED, "take.chunk_unlinked")                                                \
    X(TAKE_CHUNK_FREED, "take.chunk_freed")                                                      \
    X(TAKE_UNLOCKED, "take.unlocked")                                                            \
    X(BLOCK_LOCKED, "block.locked")                                                              \
    X(BLOCK_HELD, "block.held")                                                                  \
    X(BLOCK_PREPARING, "block.preparing")                                                        \
    X(BLOCK_USED, "block.used")                                                                  \
    X(BLOCK_FILLED, "block.filled")                                                              \
    X(BLOCK_RELEASED, "block.released")                                                          \
    X(BLOCK_FREED, "block.freed")                                                                \
    X(PEER_CLAIMED, "peer.claimed")                                                              \
    X(RECLAIM_LOCKED, "reclaim.locked")                                                          \
    X(RECLAIM_SWEPT, "reclaim.swept")                                                            \
    X(SPIN_PROMISED, "spin.promised")                                                            \
    X(SPIN_CLAIMED, "spin.claimed")                                                              \
    X(WAIT_REGISTERED, "wait.registered")                                                        \
    X(WAIT_WOKEN, "wait.woken")                                                                  \
    X(WAKE_CLAIMED, "wake.claimed")                                                              \
    X(BELL_LOCKED, "bell.locked")                                                                \
    X(BELL_RUNG, "bell.rung")                                                                    \
    X(BELL_CLEARED, "bell.cleared")                                                              \
    X(DONE_COUNTED, "done.counted")                                                              \
    X(SYNC_TAKEN, "sync.taken")                                                                  \
    X(SYNC_TAKEN_OVER, "sync.taken_over")                                                        \
    X(SYNC_GIVEN, "sync.given")                                                                  \
    X(SYNC_WOKE, "sync.woke")                                                                    \
    X(SYNC_FLAG_SET, "sync.flag_set")                                                            \
    X(SYNC_WAITERS_GROWN, "sync.waiters_grown")                                                  \
    X(SYNC_WAITER_CLAIMED, "sync.waiter_claimed")                                                \
    X(SYNC_WAITER_ENTERED, "sync.waiter_entered")                                                \
    X(SYNC_WAITER_NOTIFIED, "sync.waiter_notified")                                              \
    X(SYNC_WAITER_LEAVING, "sync.waiter_leaving")

typedef enum {
    PSN_KILL_NOWHERE = 0,
#define PSN_KILL_ENUM(id, name) PSN_KILL_##id,
    PSN_KILL_POINTS(PSN_KILL_ENUM)
#undef PSN_KILL_ENUM
    PSN_KILL_COUNT
} psn_kill_id;

extern uint32_t psn_kill_armed; /* a psn_kill_id; written only by tests, before they start */
void psn_kill_point_hit(void);

static inline void psn_kill_point(psn_kill_id id) {
    if (PSN_UNLIKELY(psn_kill_armed == (uint32_t)id)) {
        psn_kill_point_hit();
    }
}

#endif
