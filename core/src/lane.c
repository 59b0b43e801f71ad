/* A lane's making, counting and locks, and what recovery after a death has to do. */
#include "lane.h"

#include "arena.h"
#include "kill_point.h"

/* ---- making ---- */

psn_status psn_lane_init(psn_segment *segment, uint32_t number, uint64_t max_items,
                         uint64_t max_bytes) {
    psn_lane *lane = psn_segment_lane(segment, number);
    psn_status status = psn_mutex_init(&lane->put_lock);
    if (status == PSN_OK) {
        status = psn_mutex_init(&lane->get_lock);
    }
    psn_ref chunk = 0;
    if (status == PSN_OK) {
        status = psn_arena_take_chunk(segment, PSN_CHUNK_FIRST, PSN_CHUNK_FIRST, 0, &chunk);
    }
    lane->put_at[0].chunk = lane->get_at[0].chunk = psn_ref_index(chunk);
    lane->trail = chunk;
    lane->max_items = max_items;
    lane->max_bytes = max_bytes;
    return status;
}

void psn_lane_open(psn_lane_handle *lane, psn_segment *segment, uint32_t number) {
    lane->segment = segment;
    lane->shared = psn_segment_lane(segment, number);
    lane->number = number;
    lane->minded = NULL;
    psn_store_relaxed32(&lane->wasted_spins, 0);
    psn_store_relaxed32(&lane->idle_sleeps, 0);
}

/* ---- counting: gets first, so that the difference is never negative ---- */

uint64_t psn_lane_put_count(const psn_lane *lane) {
    return psn_commit_count(psn_load_acquire64(&lane->puts));
}

uint64_t psn_lane_taken_count(const psn_lane *lane) {
    return psn_commit_count(psn_load_acquire64(&lane->gets));
}

uint64_t psn_lane_size(const psn_lane *lane) {
    uint64_t taken = psn_lane_taken_count(lane);
    return psn_lane_put_count(lane) - taken;
}

bool psn_lane_has_message(const psn_lane *lane) {
    return psn_lane_size(lane) != 0;
}

/* A limit of bytes is kept by the message before: one that is larger than the limit still goes
 * into an empty lane. */
bool psn_lane_has_room(const psn_lane *lane) {
    if (lane->max_items == 0 && lane->max_bytes == 0) {
        return true;
    }
    uint64_t size = psn_lane_size(lane);
    /* Signed: bytes_in is noted after the commit, and a taker may have been faster. */
    int64_t backlog = (int64_t)(psn_load_relaxed64(&lane->bytes_in) -
                                psn_load_relaxed64(&lane->bytes_out));
    if (lane->max_items != 0 && size >= lane->max_items) {
        return false;
    }
    return lane->max_bytes == 0 || size == 0 || backlog < (int64_t)lane->max_bytes;
}

/* ---- locks ---- */

static void note_recovery(psn_segment *segment) {
    psn_arena *arena = psn_segment_arena(segment);
    psn_add_relaxed64(&arena->recoveries, 1);
    psn_store_release32(&arena->suspect, 1);
}

static psn_position *valid_put_at(psn_lane *lane) {
    return &lane->put_at[psn_commit_slot(psn_load_relaxed64(&lane->puts))];
}

static psn_position *valid_get_at(psn_lane *lane) {
    return &lane->get_at[psn_commit_slot(psn_load_relaxed64(&lane->gets))];
}

psn_status psn_lane_lock_put(psn_lane_handle *handle, unsigned flags) {
    psn_lane *lane = handle->shared;
    bool abandoned = false;
    psn_status status = psn_mutex_lock_with(&lane->put_lock, flags, &abandoned);
    if (PSN_UNLIKELY(abandoned)) {
        const psn_position *at = valid_put_at(lane);
        if (psn_ref_index(lane->put_spare) == at->chunk) {
            lane->put_spare = 0; /* it was linked, and the holder died before it said so */
        }
        psn_store_relaxed64(&lane->bytes_in, at->bytes);
        note_recovery(handle->segment);
        psn_event_wake(&lane->has_message, UINT32_MAX); /* the dead one may have owed a wake */
    }
    if (PSN_LIKELY(status == PSN_OK)) {
        psn_kill_point(PSN_KILL_PUT_LOCKED);
    }
    return status;
}

/* ---- giving back chunks that have been read: under get_lock ---- */

/* Three stores, each of which leaves a state that this can go on from. Under the arena's lock. */
static void finish_doomed(psn_lane_handle *handle) {
    psn_lane *lane = handle->shared;
    if (lane->doomed == 0) {
        return;
    }
    uint32_t index = psn_ref_index(lane->doomed) % PSN_BLOCKS;
    if (lane->trail == lane->doomed) {
        const psn_block *block = psn_segment_block(handle->segment, index);
        uint32_t next = psn_load_acquire32(&block->next_chunk) % PSN_BLOCKS;
        const psn_block *following = psn_segment_block(handle->segment, next);
        lane->trail =
            psn_ref_make(psn_block_generation_of(psn_load_acquire64(&following->state)), next);
        psn_order_stores();
        psn_kill_point(PSN_KILL_TAKE_CHUNK_UNLINKED);
    }
    psn_arena_free_locked(handle->segment, lane->doomed);
    psn_kill_point(PSN_KILL_TAKE_CHUNK_FREED);
    lane->doomed = 0;
    psn_order_stores();
}

static void free_read_chunks_locked(psn_lane_handle *handle, uint32_t current) {
    psn_lane *lane = handle->shared;
    finish_doomed(handle);
    for (uint32_t steps = 0; psn_ref_index(lane->trail) != current; steps++) {
        uint32_t oldest = psn_ref_index(lane->trail);
        if (steps == PSN_BLOCKS || oldest == 0 || oldest >= PSN_BLOCKS) {
            return; /* a damaged chain: leak rather than loop */
        }
        lane->doomed = lane->trail;
        psn_order_stores();
        psn_kill_point(PSN_KILL_TAKE_CHUNK_DOOMED);
        finish_doomed(handle);
    }
}

/* Where the arena's lock is held by another, perhaps by one that is stopped, the chunks stay in the
 * chain: whoever takes next comes here again. */
void psn_lane_free_read_chunks(psn_lane_handle *handle, uint32_t current) {
    const psn_lane *lane = handle->shared;
    if (PSN_LIKELY(psn_ref_index(lane->trail) == current && lane->doomed == 0)) {
        return;
    }
    if (psn_arena_lock_with(handle->segment, PSN_TRY_LOCK) == PSN_OK) {
        free_read_chunks_locked(handle, current);
        psn_arena_unlock(handle->segment);
    }
}

/* The one who died had announced messages that it then did not take: others will. */
static void withdraw_claim(psn_lane_handle *handle) {
    psn_lane *lane = handle->shared;
    if (lane->claiming != 0) {
        psn_claim *claim =
            psn_segment_claim(handle->segment, (lane->claiming - 1) % PSN_CLAIMS);
        if (psn_load_acquire64(&claim->first) >= psn_lane_taken_count(lane)) {
            psn_store_release64(&claim->count, 0);
        }
        lane->claiming = 0;
    }
}

psn_status psn_lane_lock_get(psn_lane_handle *handle, unsigned flags) {
    psn_lane *lane = handle->shared;
    bool abandoned = false;
    psn_status status = psn_mutex_lock_with(&lane->get_lock, flags, &abandoned);
    if (PSN_UNLIKELY(abandoned)) {
        withdraw_claim(handle);
        psn_lane_free_read_chunks(handle, valid_get_at(lane)->chunk);
        psn_store_relaxed64(&lane->bytes_out, valid_get_at(lane)->bytes);
        note_recovery(handle->segment);
        psn_event_wake(&lane->has_room, UINT32_MAX);
    }
    if (PSN_LIKELY(status == PSN_OK)) {
        psn_kill_point(PSN_KILL_TAKE_LOCKED);
    }
    return status;
}

psn_status psn_lane_lock_both(psn_lane_handle *handle) {
    psn_status status = psn_lane_lock_put(handle, 0);
    if (status == PSN_OK) {
        status = psn_lane_lock_get(handle, 0);
        if (status != PSN_OK) {
            psn_mutex_unlock(&handle->shared->put_lock);
        }
    }
    return status;
}

void psn_lane_unlock_both(psn_lane_handle *handle) {
    psn_mutex_unlock(&handle->shared->get_lock);
    psn_mutex_unlock(&handle->shared->put_lock);
}
