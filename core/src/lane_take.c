/* Taking: copy, hold the blocks, commit with one store. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "inbox.h"
#include "kill_point.h"
#include "lane.h"
#include "peer.h"

/* A record in a chunk. Its header is read once: what was checked is what is used. */
typedef struct {
    psn_record header;
    uint64_t length; /* of the whole record */
    const char *bytes;
} psn_found;

/* The record at the position, behind jumps; checked against the chunk that it lies in. */
static psn_status find_record(psn_lane_handle *handle, psn_position *at, psn_found *found) {
    for (uint32_t jumps = 0; jumps < PSN_BLOCKS; jumps++) {
        void *base;
        uint64_t capacity;
        psn_status status =
            psn_segment_block_address(handle->segment, at->chunk, &base, &capacity);
        if (status != PSN_OK) {
            return status;
        }
        if (at->offset + sizeof(psn_record) > capacity || at->offset % PSN_RECORD_ALIGN != 0) {
            break;
        }
        found->bytes = (const char *)base + at->offset;
        memcpy(&found->header, found->bytes, sizeof found->header);
        if (PSN_LIKELY(found->header.size != PSN_RECORD_JUMP)) {
            found->length = psn_record_length(found->header.size, found->header.slice_count);
            if (found->header.size > PSN_INLINE_MAX || at->offset + found->length > capacity) {
                break;
            }
            return PSN_OK;
        }
        if (!psn_arena_is_used(handle->segment, found->header.next)) {
            break;
        }
        at->chunk = psn_ref_index(found->header.next);
        at->offset = 0;
    }
    return psn_fail(PSN_CORRUPT, "no record at offset %u of block %u", at->offset, at->chunk);
}

/* ---- the blocks of a message ---- */

/* No slot in the table of peers: the bytes are copied out, so that nothing has to be held. */
static psn_status copy_out(psn_lane_handle *handle, psn_slice *slice) {
    void *from;
    uint64_t capacity;
    psn_status status =
        psn_segment_block_address(handle->segment, psn_ref_index(slice->ref), &from, &capacity);
    if (status != PSN_OK) {
        return status;
    }
    if (slice->length > capacity) {
        return psn_fail(PSN_CORRUPT, "a message says that block %u is larger than it is",
                        psn_ref_index(slice->ref));
    }
    void *copy = malloc((size_t)slice->length + 1);
    if (copy == NULL) {
        return PSN_NO_MEMORY;
    }
    memcpy(copy, from, (size_t)slice->length);
    slice->ref = (psn_ref)(uintptr_t)copy;
    slice->length |= PSN_SLICE_PRIVATE;
    /* Once taken nobody holds the block: the next reclaim finds it. */
    psn_store_release32(&psn_segment_arena(handle->segment)->suspect, 1);
    return PSN_OK;
}

static psn_status check_slice(const psn_lane_handle *handle, const psn_slice *slice,
                              uint32_t payload) {
    uint32_t index = psn_ref_index(slice->ref);
    if (slice->ref == 0) { /* its bytes are part of the payload */
        return slice->length <= payload
                   ? PSN_OK
                   : psn_fail(PSN_CORRUPT, "a message has a part longer than itself");
    }
    if (!psn_arena_is_used(handle->segment, slice->ref) ||
        slice->length > psn_segment_block(handle->segment, index)->capacity) {
        return psn_fail(PSN_CORRUPT, "a message names block %u, which is not in use", index);
    }
    return PSN_OK;
}

static void let_go(psn_lane_handle *handle, const psn_slice *slices, uint32_t count,
                   uint32_t holder) {
    for (uint32_t i = 0; i < count; i++) {
        if ((slices[i].length & PSN_SLICE_PRIVATE) != 0) {
            free((void *)(uintptr_t)slices[i].ref);
        } else if (slices[i].ref != 0) {
            psn_peer_unhold(handle->segment, holder, psn_ref_index(slices[i].ref));
        }
    }
}

/* All of them, or none. */
static psn_status hold_blocks(psn_lane_handle *handle, psn_slice *slices, uint32_t count,
                              uint32_t payload, unsigned flags) {
    if ((flags & PSN_TRY_LOCK) != 0 && psn_load_acquire32(&handle->segment->peer) == 0) {
        return PSN_BUSY; /* getting a slot may take as long as the arena's lock is held */
    }
    uint32_t holder = psn_peer_slot(handle->segment);
    for (uint32_t i = 0; i < count; i++) {
        psn_status status = check_slice(handle, &slices[i], payload);
        if (status == PSN_OK && slices[i].ref != 0 && holder == 0) {
            status = copy_out(handle, &slices[i]);
        } else if (status == PSN_OK && slices[i].ref != 0) {
            psn_peer_hold(handle->segment, holder, psn_ref_index(slices[i].ref));
        }
        if (status != PSN_OK) {
            let_go(handle, slices, i, holder);
            return status;
        }
    }
    return PSN_OK;
}

static psn_status copy_record(psn_lane_handle *handle, psn_position *at, unsigned flags,
                              psn_inbox *inbox) {
    psn_found found = {.bytes = NULL};
    psn_status status = find_record(handle, at, &found);
    if (PSN_UNLIKELY(status != PSN_OK)) {
        return status;
    }
    char *to = psn_inbox_room(inbox, (size_t)found.length);
    if (to == NULL) {
        return PSN_NO_MEMORY;
    }
    const size_t head = sizeof found.header;
    memcpy(to, &found.header, head);
    memcpy(to + head, found.bytes + head, (size_t)found.length - head);
    at->offset += (uint32_t)found.length;
    at->bytes += found.length;
    if (PSN_UNLIKELY(found.header.slice_count > 0)) {
        psn_slice *slices = (psn_slice *)(void *)(to + head);
        for (uint32_t i = 0; i < found.header.slice_count; i++) {
            at->bytes += slices[i].ref != 0 ? slices[i].length : 0;
        }
        status = hold_blocks(handle, slices, found.header.slice_count, found.header.size, flags);
        if (status != PSN_OK) {
            return status;
        }
    }
    inbox->used += (size_t)found.length;
    inbox->count++;
    return PSN_OK;
}

/* ---- taking ---- */

static void announce(psn_lane_handle *handle, int claim, uint64_t first, uint64_t count) {
    if (claim >= 0) {
        psn_claim *entry = psn_segment_claim(handle->segment, (unsigned)claim % PSN_CLAIMS);
        handle->shared->claiming = (uint32_t)claim % PSN_CLAIMS + 1;
        psn_store_release64(&entry->count, 0);
        psn_store_release64(&entry->first, first);
        psn_store_release64(&entry->count, count);
        psn_kill_point(PSN_KILL_TAKE_CLAIMED);
    }
}

static psn_status take_some(psn_lane_handle *handle, uint64_t count, unsigned flags, int claim,
                            psn_inbox *inbox) {
    psn_lane *lane = handle->shared;
    uint64_t word = psn_load_relaxed64(&lane->gets);
    psn_position at = lane->get_at[psn_commit_slot(word)];
    psn_status status = PSN_OK;
    size_t before = inbox->count;
    while (inbox->count - before < count && status == PSN_OK) {
        psn_position next = at;
        status = copy_record(handle, &next, flags, inbox);
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
    lane->claiming = 0;
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
    if (PSN_UNLIKELY(available > UINT64_MAX / 4)) {
        status = psn_fail(PSN_CORRUPT, "more messages were taken than were put");
    } else if (PSN_LIKELY(available > 0)) {
        status = take_some(handle, available < max ? available : max, flags, claim, inbox);
    } else {
        status = PSN_EMPTY;
    }
    psn_mutex_unlock(&lane->get_lock);
    psn_kill_point(PSN_KILL_TAKE_UNLOCKED);
    psn_lane_publish_cpu(&lane->consumer_cpu);
    return status;
}
