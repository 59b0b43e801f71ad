/* The table of peers. */
#include "peer.h"

#include "arena.h"
#include "hold.h"
#include "kill_point.h"

static void clear_holds(psn_peer *peer) {
    for (uint32_t word = 0; word < PSN_HOLD_WORDS; word++) {
        psn_store_relaxed64(&peer->holds[word], 0);
    }
}

/* A free slot, or one whose process has ended and whose holds have been swept. Under the arena's
 * lock. The identity is in place before the phase says so. */
static uint32_t claim_slot(psn_segment *segment, psn_peer_phase phase) {
    for (uint32_t slot = 0; slot < PSN_PEERS; slot++) {
        psn_peer *peer = psn_segment_peer(segment, slot);
        if (psn_load_acquire32(&peer->phase) == PSN_PEER_FREE) {
            clear_holds(peer);
            psn_os_self(&peer->identity);
            /* publishes: identity and empty holds -> acquired in reclaim */
            psn_store_release32(&peer->phase, (uint32_t)phase);
            psn_kill_point(PSN_KILL_PEER_CLAIMED);
            return slot + 1;
        }
    }
    return 0;
}

uint32_t psn_peer_slot(psn_segment *segment) {
    uint32_t mine = psn_load_acquire32(&segment->peer);
    if (PSN_LIKELY(mine != 0)) {
        return mine;
    }
    psn_process_lock();
    mine = psn_load_acquire32(&segment->peer);
    if (mine == 0 && psn_arena_lock(segment) == PSN_OK) {
        mine = claim_slot(segment, PSN_PEER_LIVE);
        psn_arena_unlock(segment);
        psn_store_release32(&segment->peer, mine);
    }
    psn_process_unlock();
    return mine;
}

void psn_peer_leave(psn_segment *segment) {
    uint32_t mine = psn_load_acquire32(&segment->peer);
    if (mine == 0 || psn_arena_lock(segment) != PSN_OK) {
        return;
    }
    psn_peer *peer = psn_segment_peer(segment, mine - 1);
    clear_holds(peer);
    psn_store_release32(&peer->phase, PSN_PEER_FREE);
    psn_arena_unlock(segment);
    psn_store_release32(&segment->peer, 0);
}

bool psn_peer_anyone_holds(psn_segment *segment, uint32_t block) {
    for (uint32_t slot = 0; slot < PSN_PEERS; slot++) {
        psn_peer *peer = psn_segment_peer(segment, slot);
        if (psn_load_acquire32(&peer->phase) != PSN_PEER_FREE &&
            (psn_load_acquire64(psn_peer_hold_word(peer, block)) & psn_peer_hold_bit(block)) != 0) {
            return true;
        }
    }
    return false;
}

/* ---- around a fork ---- */

void psn_peer_before_fork(psn_segment *segment) {
    segment->heir = 0;
    if (segment->holds == NULL || psn_arena_lock(segment) != PSN_OK) {
        return;
    }
    segment->heir = claim_slot(segment, PSN_PEER_HEIR);
    for (psn_hold *hold = segment->holds; hold != NULL && segment->heir != 0; hold = hold->next) {
        if (hold->ref != 0) {
            uint32_t index = psn_ref_index(hold->ref);
            psn_or_acq_rel32(&psn_segment_block(segment, index)->flags, PSN_BLOCK_INHERITED);
            psn_peer_hold(segment, segment->heir, index);
        }
    }
    psn_arena_unlock(segment);
}

void psn_peer_after_fork(psn_segment *segment) {
    psn_store_release32(&segment->peer, segment->heir);
    if (segment->heir == 0) {
        return;
    }
    psn_peer *peer = psn_segment_peer(segment, segment->heir - 1);
    psn_os_self(&peer->identity);
    /* publishes: the child's own identity -> acquired in reclaim */
    psn_store_release32(&peer->phase, PSN_PEER_LIVE);
    segment->heir = 0;
    for (psn_hold *hold = segment->holds; hold != NULL; hold = hold->next) {
        psn_hold_make_private(hold);
    }
}
