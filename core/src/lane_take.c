/* Taking: copy, hold the blocks, commit with one store. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "inbox.h"
#include "kill_point.h"
#include "lane.h"
#include "peer.h"

/* The record at the position, behind jumps; checked against the chunk that it lies in. */
static psn_status find_record(psn_lane_handle *handle, psn_position *at, const psn_record **record) {
    for (uint32_t jumps = 0; jumps < PSN_BLOCKS; jumps++) {
        void *base;
        psn_status status = psn_segment_block_address(handle->segment, at->chunk, &base);
        if (status != PSN_OK) {
            return status;
        }
        uint64_t capacity = psn_segment_block(handle->segment, at->chunk)->capacity;
        if (at->offset + sizeof(psn_record) > capacity) {
            break;
        }
        *record = (const psn_record *)(const void *)((const char *)base + at->offset);
        if (PSN_LIKELY((*record)->size != PSN_RECORD_JUMP)) {
            uint64_t length = psn_record_length((*record)->size, (*record)->slice_count);
            if (at->offset + length > capacity) {
                break;
            }
            return PSN_OK;
        }
        if (!psn_arena_is_used(handle->segment, (*record)->next)) {
            break;
        }
        at->chunk = psn_ref_index((*record)->next);
        at->offset = 0;
    }
    return psn_fail(PSN_CORRUPT, "no record at offset %u of block %u", at->offset, at->chunk);
}

/* No slot in the table of peers: the bytes are copied out, so that nothing has to be held. */
static psn_status copy_out(psn_lane_handle *handle, psn_slice *slice) {
    void *from, *copy = malloc((size_t)slice->length);
    if (copy == NULL) {
        return PSN_NO_MEMORY;
    }
    psn_status status =
        psn_segment_block_address(handle->segment, psn_ref_index(slice->ref), &from);
    if (status != PSN_OK) {
        free(copy);
        return status;
    }
    memcpy(copy, from, (size_t)slice->length);
    slice->ref = (psn_ref)(uintptr_t)copy;
    slice->length |= PSN_SLICE_PRIVATE;
    /* Once taken nobody holds the block: the next reclaim finds it. */
    psn_store_release32(&psn_segment_arena(handle->segment)->suspect, 1);
    return PSN_OK;
}

static psn_status hold_blocks(psn_lane_handle *handle, psn_slice *slices, uint32_t count,
                              uint32_t holder) {
    for (uint32_t i = 0; i < count; i++) {
        if (slices[i].ref == 0) {
            continue; /* this one's bytes are part of the payload */
        }
        const psn_block *block =
            psn_segment_block(handle->segment, psn_ref_index(slices[i].ref) % PSN_BLOCKS);
        if (!psn_arena_is_used(handle->segment, slices[i].ref) ||
            slices[i].length > block->capacity) {
            return psn_fail(PSN_CORRUPT, "a message names block %u, which is not in use",
                            psn_ref_index(slices[i].ref));
        }
        if (holder != 0) {
            psn_peer_hold(handle->segment, holder, psn_ref_index(slices[i].ref));
            continue;
        }
        psn_status status = copy_out(handle, &slices[i]);
        if (status != PSN_OK) {
            return status;
        }
    }
    return PSN_OK;
}

static psn_status copy_record(psn_lane_handle *handle, psn_position *at, psn_inbox *inbox) {
    const psn_record *record = NULL;
    psn_status status = find_record(handle, at, &record);
    if (PSN_UNLIKELY(status != PSN_OK)) {
        return status;
    }
    uint64_t length = psn_record_length(record->size, record->slice_count);
    char *to = psn_inbox_room(inbox, (size_t)length);
    if (to == NULL) {
        return PSN_NO_MEMORY;
    }
    memcpy(to, record, (size_t)length);
    at->offset += (uint32_t)length;
    at->bytes += length;
    if (PSN_UNLIKELY(record->slice_count > 0)) {
        psn_slice *slices = (psn_slice *)(void *)(to + sizeof *record);
        for (uint32_t i = 0; i < record->slice_count; i++) {
            at->bytes += slices[i].ref != 0 ? slices[i].length : 0;
        }
        uint32_t holder = psn_peer_slot(handle->segment);
        status = hold_blocks(handle, slices, record->slice_count, holder);
        if (status != PSN_OK) {
            return status;
        }
    }
    inbox->used += (size_t)length;
    inbox->count++;
    return PSN_OK;
}

static void announce(psn_lane_handle *handle, int claim, uint64_t first, uint64_t count) {
    if (claim >= 0) {
        psn_claim *entry = psn_segment_claim(handle->segment, (unsigned)claim);
        psn_store_release64(&entry->count, 0);
        psn_store_release64(&entry->first, first);
        psn_store_release64(&entry->count, count);
        psn_kill_point(PSN_KILL_TAKE_CLAIMED);
    }
}

static psn_status take_some(psn_lane_handle *handle, uint64_t count, int claim, psn_inbox *inbox) {
    psn_lane *lane = handle->shared;
    uint64_t word = psn_load_relaxed64(&lane->gets);
    psn_position at = lane->get_at[psn_commit_slot(word)];
    psn_status status = PSN_OK;
    size_t before = inbox->count;
    while (inbox->count - before < count && status == PSN_OK) {
        psn_position next = at;
        status = copy_record(handle, &next, inbox);
        if (status == PSN_OK) {
            at = next;
        }
    }
    uint64_t taken = inbox->count - before;
    if (taken == 0) {
        return status;
    }
    psn_kill_point(PSN_KILL_TAKE_COPIED);
    announce(handle, claim, psn_commit_count(word), taken);
    lane->get_at[psn_commit_slot(word) ^ 1U] = at;
    psn_kill_point(PSN_KILL_TAKE_POSITIONED);
    /* publishes: position, holds -> acquired by putters (room) and in reclaim */
    psn_store_release64(&lane->gets, psn_commit_next(word, taken));
    psn_kill_point(PSN_KILL_TAKE_COMMITTED);
    psn_store_relaxed64(&lane->bytes_out, at.bytes);
    psn_lane_free_read_chunks(handle, at.chunk);
    return PSN_OK;
}

psn_status psn_lane_take(psn_lane_handle *handle, size_t max, unsigned flags, int claim,
                         psn_inbox *inbox) {
    psn_lane *lane = handle->shared;
    if (!psn_lane_has_message(lane)) {
        return PSN_EMPTY;
    }
    psn_status status = psn_lane_lock_get(handle, flags);
    if (PSN_UNLIKELY(status != PSN_OK)) {
        return status;
    }
    uint64_t available = psn_lane_size(lane);
    if (PSN_LIKELY(available > 0)) {
        status = take_some(handle, available < max ? available : max, claim, inbox);
    } else {
        status = PSN_EMPTY;
    }
    psn_mutex_unlock(&lane->get_lock);
    psn_kill_point(PSN_KILL_TAKE_UNLOCKED);
    psn_lane_publish_cpu(&lane->consumer_cpu);
    return status;
}
