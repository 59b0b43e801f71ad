/* Giving back what the dead held.
 *
 * With every lock of the segment held nothing moves but a holder letting go, so a block may be
 * judged at leisure: it is in use when a lane's chain contains it (a chunk), when the message that
 * carries it is in flight, or when a living peer holds it. Everything else is free.
 */
#include "arena.h"
#include "kill_point.h"
#include "lane.h"
#include "peer.h"

#define SWEEP_NANOSECONDS (UINT64_C(100) * 1000 * 1000)

typedef struct {
    psn_segment *segment;
    psn_lane_handle lanes[PSN_LANES];
    uint32_t lane_count;
    uint64_t chain[PSN_HOLD_WORDS]; /* bit i: block i is a chunk of a chain */
} psn_sweep;

static void mark(psn_sweep *sweep, uint32_t index) {
    sweep->chain[index % PSN_BLOCKS / 64] |= psn_peer_hold_bit(index);
}

static bool is_marked(const psn_sweep *sweep, uint32_t index) {
    return (sweep->chain[index / 64] & psn_peer_hold_bit(index)) != 0;
}

static void mark_chain(psn_sweep *sweep, const psn_lane *lane) {
    uint32_t last = lane->put_at[psn_commit_slot(psn_load_relaxed64(&lane->puts))].chunk;
    uint32_t index = psn_ref_index(lane->trail);
    for (uint32_t steps = 0; index != 0 && index < PSN_BLOCKS && steps < PSN_BLOCKS; steps++) {
        mark(sweep, index);
        if (index == last) {
            break;
        }
        index = psn_load_acquire32(&psn_segment_block(sweep->segment, index)->next_chunk);
    }
    mark(sweep, last);
    if (lane->put_spare != 0) {
        mark(sweep, psn_ref_index(lane->put_spare));
    }
}

static bool is_in_flight(const psn_sweep *sweep, const psn_block *block) {
    uint64_t seq = psn_load_acquire64(&block->seq);
    if (seq == PSN_SEQ_NONE || block->lane >= PSN_LANES) {
        return false;
    }
    const psn_lane *lane = psn_segment_lane(sweep->segment, block->lane);
    return seq >= psn_lane_taken_count(lane) && seq < psn_lane_put_count(lane);
}

static bool is_in_use(const psn_sweep *sweep, const psn_block *block, uint32_t index) {
    uint32_t flags = psn_load_acquire32(&block->flags);
    if ((flags & PSN_BLOCK_IS_CHUNK) != 0) {
        return is_marked(sweep, index);
    }
    return (flags & PSN_BLOCK_PINNED) != 0 || is_in_flight(sweep, block) ||
           psn_peer_anyone_holds(sweep->segment, index);
}

static uint64_t sweep_blocks(psn_sweep *sweep) {
    psn_segment *segment = sweep->segment;
    uint32_t count = psn_arena_entries(psn_segment_arena(segment));
    uint64_t freed = 0;
    for (uint32_t index = 1; index < count; index++) {
        psn_block *block = psn_segment_block(segment, index);
        uint64_t state = psn_load_acquire64(&block->state);
        psn_block_phase phase = psn_block_phase_of(state);
        if (phase != PSN_BLOCK_USED && phase != PSN_BLOCK_PREPARING) {
            continue;
        }
        if (!is_in_use(sweep, block, index)) {
            freed += block->capacity;
            psn_arena_free_locked(segment, psn_ref_make(psn_block_generation_of(state), index));
        }
    }
    return freed;
}

static psn_status lock_all(psn_sweep *sweep) {
    uint32_t used = psn_segment_header(sweep->segment)->lane_count;
    for (uint32_t number = 0; number < PSN_LANES && number < used; number++) {
        psn_lane_open(&sweep->lanes[number], sweep->segment, number);
        psn_status status = psn_lane_lock_both(&sweep->lanes[number]);
        if (status != PSN_OK) {
            return status;
        }
        sweep->lane_count++;
    }
    return psn_arena_lock(sweep->segment);
}

static psn_status reclaim(psn_segment *segment, bool keep_warm, uint64_t *freed) {
    psn_sweep sweep = {.segment = segment};
    uint64_t bytes = 0;
    psn_status status = lock_all(&sweep);
    if (status == PSN_OK) {
        psn_kill_point(PSN_KILL_RECLAIM_LOCKED);
        psn_store_release32(&psn_segment_arena(segment)->suspect, 0);
        psn_peer_bury_dead(segment);
        for (uint32_t number = 0; number < sweep.lane_count; number++) {
            mark_chain(&sweep, sweep.lanes[number].shared);
        }
        bytes = sweep_blocks(&sweep);
        psn_kill_point(PSN_KILL_RECLAIM_SWEPT);
        if (!keep_warm) {
            psn_arena_trim_locked(segment, 0);
        }
        psn_arena_unlock(segment);
    }
    while (sweep.lane_count > 0) {
        psn_lane_unlock_both(&sweep.lanes[--sweep.lane_count]);
    }
    *freed = bytes;
    return status;
}

psn_status psn_segment_reclaim(psn_segment *segment, uint64_t *freed) {
    return reclaim(segment, false, freed);
}

void psn_segment_sweep(psn_segment *segment) {
    uint64_t freed;
    reclaim(segment, true, &freed);
}

bool psn_segment_is_time_to_sweep(psn_segment *segment) {
    uint64_t now = psn_now(), last = psn_load_relaxed64(&segment->swept_at);
    if (now - last < SWEEP_NANOSECONDS) {
        return false;
    }
    psn_store_relaxed64(&segment->swept_at, now);
    return true;
}

void psn_segment_memory(psn_segment *segment, psn_memory *memory) {
    *memory = (psn_memory){.committed_bytes = psn_os_memory_backed(segment->fd)};
    if (psn_arena_lock(segment) != PSN_OK) {
        return;
    }
    const psn_arena *arena = psn_segment_arena(segment);
    memory->warm_bytes = arena->warm_bytes;
    memory->block_entries = psn_arena_entries(arena) - 1;
    memory->recoveries = psn_load_relaxed64(&arena->recoveries);
    for (uint32_t index = 1; index < psn_arena_entries(arena); index++) {
        const psn_block *block = psn_segment_block(segment, index);
        psn_block_phase phase = psn_block_phase_of(psn_load_acquire64(&block->state));
        if (phase == PSN_BLOCK_USED || phase == PSN_BLOCK_PREPARING) {
            memory->used_blocks++;
            memory->used_bytes += block->capacity;
        }
    }
    for (uint32_t slot = 0; slot < psn_peer_count(segment); slot++) {
        memory->peers += psn_load_acquire32(&psn_segment_peer(segment, slot)->phase) != PSN_PEER_FREE;
    }
    psn_arena_unlock(segment);
}
