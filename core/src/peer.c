/* The table of peers. */
#include "peer.h"

#include "arena.h"
#include "hold.h"
#include "kill_point.h"

#define NANOSECONDS (UINT64_C(1000) * 1000 * 1000)
#define HEIR_SECONDS 10U

static void clear_holds(psn_peer *peer) {
    for (uint32_t word = 0; word < PSN_HOLD_WORDS; word++) {
        psn_store_relaxed64(&peer->holds[word], 0);
    }
}

uint32_t psn_peer_count(const psn_segment *segment) {
    uint32_t count = psn_segment_arena(segment)->peer_count;
    return count < PSN_PEERS ? count : PSN_PEERS;
}

static uint32_t now_in_seconds(void) {
    return (uint32_t)(psn_now() / NANOSECONDS);
}

/* An heir that has not yet said who it is lives if its parent does, and otherwise for a while: it
 * may be about to say so. */
static bool is_alive(const psn_peer *peer, uint32_t phase) {
    if (phase == PSN_PEER_HEIR) {
        return psn_os_is_alive(&peer->parent) || now_in_seconds() - peer->since < HEIR_SECONDS;
    }
    return psn_os_is_alive(&peer->identity);
}

void psn_peer_bury_dead(psn_segment *segment) {
    uint32_t self = psn_load_acquire32(&segment->peer);
    for (uint32_t slot = 0; slot < psn_peer_count(segment); slot++) {
        psn_peer *peer = psn_segment_peer(segment, slot);
        uint32_t phase = psn_load_acquire32(&peer->phase);
        if (phase == PSN_PEER_FREE || slot + 1 == self || is_alive(peer, phase)) {
            continue;
        }
        clear_holds(peer);
        psn_store_release32(&peer->phase, PSN_PEER_FREE);
    }
}

/* Backs the entry, so that a store into it cannot fail. */
static psn_status add_slot(psn_segment *segment) {
    uint32_t count = psn_peer_count(segment);
    psn_status status =
        psn_os_memory_reserve(segment->fd, PSN_PEERS_AT + (uint64_t)count * sizeof(psn_peer),
                              sizeof(psn_peer));
    if (status == PSN_OK) {
        psn_segment_arena(segment)->peer_count = count + 1;
    }
    return status;
}

static uint32_t find_free_slot(psn_segment *segment) {
    for (uint32_t slot = 0; slot < psn_peer_count(segment); slot++) {
        if (psn_load_acquire32(&psn_segment_peer(segment, slot)->phase) == PSN_PEER_FREE) {
            return slot + 1;
        }
    }
    uint32_t count = psn_peer_count(segment);
    return count < PSN_PEERS && add_slot(segment) == PSN_OK ? count + 1 : 0;
}

/* A free slot, or a new one, or one whose process has ended; looking for those asks the kernel
 * about each, so not at every message. Under the arena's lock. The identity is in place before
 * the phase says so. */
static uint32_t claim_slot(psn_segment *segment, psn_peer_phase phase) {
    uint32_t found = find_free_slot(segment);
    if (found == 0 && psn_segment_is_time_to_sweep(segment)) {
        psn_peer_bury_dead(segment);
        psn_store_release32(&psn_segment_arena(segment)->suspect, 1); /* what they held is loose */
        found = find_free_slot(segment);
    }
    if (found != 0) {
        psn_peer *peer = psn_segment_peer(segment, found - 1);
        clear_holds(peer);
        peer->since = now_in_seconds();
        psn_os_self(phase == PSN_PEER_HEIR ? &peer->parent : &peer->identity);
        /* publishes: identity and empty holds -> acquired in reclaim */
        psn_store_release32(&peer->phase, (uint32_t)phase);
        psn_kill_point(PSN_KILL_PEER_CLAIMED);
    }
    return found;
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
    for (uint32_t slot = 0; slot < psn_peer_count(segment); slot++) {
        psn_peer *peer = psn_segment_peer(segment, slot);
        if (psn_load_acquire32(&peer->phase) != PSN_PEER_FREE &&
            (psn_load_acquire64(psn_peer_hold_word(peer, block)) & psn_peer_hold_bit(block)) != 0) {
            return true;
        }
    }
    return false;
}

/* ---- around a fork ---- */

/* The child gets a hold on each block that this process has received; without a slot for it the
 * blocks are never freed again, since nobody could tell when it is done with them. */
static void bequeath(psn_segment *segment) {
    for (psn_hold *hold = segment->holds; hold != NULL; hold = hold->next) {
        if (hold->ref == 0) {
            continue;
        }
        uint32_t index = psn_ref_index(hold->ref);
        psn_or_acq_rel32(&psn_segment_block(segment, index)->flags,
                         segment->heir != 0 ? PSN_BLOCK_INHERITED : PSN_BLOCK_PINNED);
        if (segment->heir != 0) {
            psn_peer_hold(segment, segment->heir, index);
        }
    }
}

void psn_peer_before_fork(psn_segment *segment) {
    segment->heir = 0;
    if (segment->holds == NULL) {
        return;
    }
    if (psn_arena_lock(segment) == PSN_OK) {
        segment->heir = claim_slot(segment, PSN_PEER_HEIR);
        bequeath(segment);
        psn_arena_unlock(segment);
    }
    /* From here on neither sees what the other writes, as with any memory across a fork. */
    for (psn_hold *hold = segment->holds; hold != NULL; hold = hold->next) {
        psn_hold_make_private(hold);
    }
}

void psn_peer_after_fork(psn_segment *segment) {
    psn_store_release32(&segment->peer, segment->heir);
    if (segment->heir != 0) {
        psn_peer *peer = psn_segment_peer(segment, segment->heir - 1);
        uint32_t phase = PSN_PEER_HEIR;
        psn_os_self(&peer->identity);
        /* publishes: the child's own identity -> acquired in reclaim */
        if (!psn_cas_acq_rel32(&peer->phase, &phase, PSN_PEER_LIVE)) {
            psn_store_release32(&segment->peer, 0); /* came too late, and was taken for dead */
        }
        segment->heir = 0;
    }
}
