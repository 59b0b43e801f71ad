/* Putting: write where nobody looks, commit with one store. */
#include <errno.h>
#include <string.h>

#include "arena.h"
#include "kill_point.h"
#include "lane.h"
#include "peer.h"

/* A reader that lags behind gets larger ones: fewer to allocate, map and give back. But none that is
 * more than a quarter of what waits: a chunk is free for use again only when all of it was read. */
static uint64_t next_chunk_size(const psn_lane *lane, uint64_t current) {
    int64_t backlog = (int64_t)(psn_load_relaxed64(&lane->bytes_in) -
                                psn_load_relaxed64(&lane->bytes_out));
    uint64_t size = PSN_CHUNK_USUAL;
    if (current < size) { /* who sends little holds little */
        return current * 4 < size ? current * 4 : size;
    }
    while (size < PSN_CHUNK_MAX && (int64_t)(size * 8) <= backlog) {
        size *= 2;
    }
    return size;
}

/* A chunk that a put took and then did not use, or a new one. */
static psn_status take_spare(psn_lane_handle *handle, uint64_t need, uint64_t current,
                             unsigned flags) {
    psn_lane *lane = handle->shared;
    if (lane->put_spare != 0) {
        psn_ref small = lane->put_spare;
        if (psn_arena_is_used(handle->segment, small) &&
            psn_segment_block(handle->segment, psn_ref_index(small))->capacity >= need) {
            return PSN_OK;
        }
        psn_status status = psn_arena_lock_with(handle->segment, flags);
        if (status != PSN_OK) {
            return status;
        }
        lane->put_spare = 0;
        psn_order_stores();
        psn_arena_free_locked(handle->segment, small);
        psn_arena_unlock(handle->segment);
    }
    uint64_t size = next_chunk_size(lane, current);
    psn_ref chunk;
    psn_status status =
        psn_arena_take_chunk(handle->segment, size > need ? size : need, need, flags, &chunk);
    if (status == PSN_OK) {
        psn_kill_point(PSN_KILL_PUT_CHUNK_TAKEN);
        lane->put_spare = chunk;
        psn_order_stores();
    } else if (status == PSN_FULL) { /* of blocks: nothing that waiting for room could wait for */
        errno = ENOMEM;
        status = PSN_NO_MEMORY;
    }
    return status;
}

static psn_status check_position(const psn_position *at, uint64_t capacity) {
    if (PSN_UNLIKELY(at->offset + sizeof(psn_record) > capacity ||
                     at->offset % PSN_RECORD_ALIGN != 0)) {
        return psn_fail(PSN_CORRUPT, "messages end at offset %u of block %u, which has %llu bytes",
                        at->offset, at->chunk, (unsigned long long)capacity);
    }
    return PSN_OK;
}

/* Where a record of `length` bytes goes, in the current chunk or, behind a jump, in a new one. A
 * chunk always keeps room for the jump. */
static psn_status find_place(psn_lane_handle *handle, uint64_t length, unsigned flags,
                             psn_position *at, char **place) {
    psn_lane *lane = handle->shared;
    void *base;
    uint64_t capacity;
    psn_status status = psn_segment_block_address(handle->segment, at->chunk, &base, &capacity);
    if (PSN_LIKELY(status == PSN_OK)) {
        status = check_position(at, capacity);
    }
    if (PSN_UNLIKELY(status != PSN_OK)) {
        return status;
    }
    *place = (char *)base + at->offset;
    if (PSN_LIKELY(at->offset + length + sizeof(psn_record) <= capacity)) {
        return PSN_OK;
    }
    status = take_spare(handle, length + sizeof(psn_record), capacity, flags);
    if (status != PSN_OK) {
        return status;
    }
    psn_ref next = lane->put_spare;
    if (psn_ref_index(next) == at->chunk) {
        return psn_fail(PSN_CORRUPT, "block %u would follow itself", at->chunk);
    }
    void *next_base;
    status = psn_segment_block_address(handle->segment, psn_ref_index(next), &next_base, &capacity);
    if (status == PSN_OK && length + sizeof(psn_record) > capacity) {
        status = psn_fail(PSN_CORRUPT, "block %u is smaller than it says", psn_ref_index(next));
    }
    if (status != PSN_OK) {
        return status;
    }
    *(psn_record *)(void *)*place = (psn_record){.size = PSN_RECORD_JUMP, .next = next};
    psn_store_release32(&psn_segment_block(handle->segment, at->chunk)->next_chunk,
                        psn_ref_index(next));
    psn_kill_point(PSN_KILL_PUT_CHUNK_LINKED);
    *place = next_base;
    at->chunk = psn_ref_index(next);
    at->offset = 0;
    return PSN_OK;
}

/* The message's blocks become the lane's. Nobody but this process could free them, and reclaim
 * waits for put_lock, so they may be without a holder until the commit. */
static void hand_over_blocks(psn_lane_handle *handle, const psn_message *message, uint64_t seq) {
    uint32_t holder = psn_load_relaxed32(&handle->segment->peer);
    for (uint32_t i = 0; i < message->slice_count; i++) {
        uint32_t index = psn_ref_index(message->slices[i].ref);
        if (index == 0 || index >= PSN_BLOCKS || holder == 0) {
            continue; /* this one's bytes are part of the payload */
        }
        psn_block *block = psn_segment_block(handle->segment, index);
        block->lane = handle->number;
        psn_store_release64(&block->seq, seq);
        psn_peer_unhold(handle->segment, holder, index);
    }
}

static uint64_t weight(const psn_message *message, uint64_t length) {
    for (uint32_t i = 0; i < message->slice_count; i++) {
        length += message->slices[i].ref != 0 ? message->slices[i].length : 0;
    }
    return length;
}

/* Before the commit, so that a message never waits unheard; see bell.h. */
static void ring_ahead(psn_lane *lane, int ring_fd) {
    if (psn_load_relaxed32(&lane->rung) != PSN_BELL_RUNG && ring_fd >= 0) {
        psn_os_ring(ring_fd);
        psn_kill_point(PSN_KILL_BELL_RUNG);
        psn_store_relaxed32(&lane->rung, PSN_BELL_RUNG);
    }
}

static psn_status put_one(psn_lane_handle *handle, const psn_message *message, unsigned flags,
                          int ring_fd) {
    psn_lane *lane = handle->shared;
    uint64_t word = psn_load_relaxed64(&lane->puts);
    psn_position at = lane->put_at[psn_commit_slot(word)];
    uint64_t length = psn_record_length(message->size, message->slice_count);
    char *to;
    psn_status status = find_place(handle, length, flags, &at, &to);
    if (PSN_UNLIKELY(status != PSN_OK)) {
        return status;
    }
    *(psn_record *)(void *)to = (psn_record){
        .size = message->size, .kind = message->kind, .slice_count = message->slice_count};
    to += sizeof(psn_record);
    if (message->slice_count > 0) {
        memcpy(to, message->slices, message->slice_count * sizeof(psn_slice));
        to += message->slice_count * sizeof(psn_slice);
    }
    if (message->size > 0) {
        memcpy(to, message->data, message->size);
    }
    psn_kill_point(PSN_KILL_PUT_WRITTEN);
    if (message->slice_count > 0) {
        hand_over_blocks(handle, message, psn_commit_count(word));
    }
    at.offset += (uint32_t)length;
    at.bytes += weight(message, length);
    lane->put_at[psn_commit_slot(word) ^ 1U] = at;
    psn_kill_point(PSN_KILL_PUT_POSITIONED);
    if (PSN_UNLIKELY(psn_load_relaxed32(&lane->watched) != 0)) {
        ring_ahead(lane, ring_fd);
    }
    /* publishes: record, position, blocks' seq -> acquired in psn_lane_take */
    psn_store_release64(&lane->puts, psn_commit_next(word, 1));
    psn_kill_point(PSN_KILL_PUT_COMMITTED);
    psn_store_relaxed64(&lane->bytes_in, at.bytes);
    if (PSN_UNLIKELY(psn_ref_index(lane->put_spare) == at.chunk)) {
        lane->put_spare = 0;
    }
    return PSN_OK;
}

psn_status psn_lane_put(psn_lane_handle *handle, const psn_message *messages, size_t count,
                        unsigned flags, int ring_fd, size_t *done, uint64_t *first) {
    psn_lane *lane = handle->shared;
    *done = 0;
    psn_status status = psn_lane_lock_put(handle, flags);
    if (PSN_UNLIKELY(status != PSN_OK)) {
        return status;
    }
    *first = psn_commit_count(psn_load_relaxed64(&lane->puts));
    while (*done < count && status == PSN_OK) {
        status = psn_lane_has_room(lane) ? put_one(handle, &messages[*done], flags, ring_fd)
                                         : PSN_FULL;
        *done += status == PSN_OK;
    }
    psn_mutex_unlock(&lane->put_lock);
    psn_kill_point(PSN_KILL_PUT_UNLOCKED);
    psn_lane_publish_cpu(&lane->producer_cpu);
    return status;
}
