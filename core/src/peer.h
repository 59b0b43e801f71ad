/* Who holds blocks: one slot for each process that ever took or received a block of a segment.
 *
 * A process gets its slot when it first needs one. A fork copies the holds of the parent's
 * received blocks to a slot for the child (the heir) before the child exists, so there is no
 * moment at which such a block looks free. (A child that ends before it has put its own identity
 * beside its parent's leaves the blocks to the parent's life and ten seconds more.) Whether a peer is alive is asked of the kernel
 * (pid and start time, never the pid alone), and only by psn_segment_reclaim.
 */
#ifndef PSN_PEER_H
#define PSN_PEER_H

#include "segment.h"

/* This process' slot + 1; 0 when the table is full of living peers. */
uint32_t psn_peer_slot(psn_segment *segment);
void psn_peer_leave(psn_segment *segment);         /* under psn_process_lock */
void psn_peer_before_fork(psn_segment *segment);   /* under psn_process_lock */
void psn_peer_after_fork(psn_segment *segment);    /* in the child, under psn_process_lock */

static inline psn_atomic64 *psn_peer_hold_word(psn_peer *peer, uint32_t block) {
    return &peer->holds[block / 64];
}
static inline uint64_t psn_peer_hold_bit(uint32_t block) {
    return UINT64_C(1) << (block % 64);
}
/* release: what the holder did before is seen by whoever finds the bit as it is now */
static inline void psn_peer_hold(psn_segment *segment, uint32_t slot, uint32_t block) {
    psn_or_acq_rel64(psn_peer_hold_word(psn_segment_peer(segment, slot - 1), block),
                     psn_peer_hold_bit(block));
}
/* Did it hold it? */
static inline bool psn_peer_unhold(psn_segment *segment, uint32_t slot, uint32_t block) {
    uint64_t before =
        psn_and_acq_rel64(psn_peer_hold_word(psn_segment_peer(segment, slot - 1), block),
                          ~psn_peer_hold_bit(block));
    return (before & psn_peer_hold_bit(block)) != 0;
}
/* Does any peer, alive or not yet found dead, hold it? Under the arena's lock. */
bool psn_peer_anyone_holds(psn_segment *segment, uint32_t block);
/* Slots ever used. Under the arena's lock. */
uint32_t psn_peer_count(const psn_segment *segment);
/* Frees the slots of processes that have ended; their blocks are then held by nobody. Under the
 * arena's lock. */
void psn_peer_bury_dead(psn_segment *segment);

#endif
