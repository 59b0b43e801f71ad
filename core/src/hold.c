/* Blocks in this process' hands: received ones, and letting go of any. */
#include "hold.h"

#include <stdlib.h>

#include "arena.h"
#include "kill_point.h"
#include "peer.h"

psn_status psn_block_address(psn_segment *segment, psn_ref ref, uint64_t size, void **address) {
    uint64_t capacity;
    psn_status status =
        psn_segment_block_address(segment, psn_ref_index(ref), address, &capacity);
    if (status == PSN_OK && size > capacity) {
        status = psn_fail(PSN_CORRUPT, "block %u has %llu bytes, not %llu", psn_ref_index(ref),
                          (unsigned long long)capacity, (unsigned long long)size);
    }
    return status;
}

void psn_block_release(psn_segment *segment, uint32_t holder, psn_ref ref) {
    uint32_t index = psn_ref_index(ref);
    const psn_block *block = psn_segment_block(segment, index);
    if (index == 0 || index >= PSN_BLOCKS ||
        psn_block_generation_of(psn_load_acquire64(&block->state)) != psn_ref_generation(ref) ||
        !psn_peer_unhold(segment, holder, index)) {
        return; /* given back before, or another's: after a fork a copy of what the parent took */
    }
    psn_kill_point(PSN_KILL_BLOCK_RELEASED);
    if (psn_arena_lock(segment) != PSN_OK) {
        return;
    }
    uint32_t flags = psn_load_acquire32(&block->flags);
    if ((flags & PSN_BLOCK_PINNED) == 0 &&
        ((flags & PSN_BLOCK_INHERITED) == 0 || !psn_peer_anyone_holds(segment, index))) {
        psn_arena_free_locked(segment, ref);
    }
    psn_arena_unlock(segment);
}

void psn_block_drop(psn_segment *segment, psn_ref ref) {
    uint32_t holder = psn_load_acquire32(&segment->peer);
    if (ref != 0 && holder != 0) {
        psn_block_release(segment, holder, ref);
    }
}

/* ---- received blocks ---- */

static psn_status address_of(psn_segment *segment, psn_slice slice, psn_hold *hold) {
    if ((slice.length & PSN_SLICE_PRIVATE) != 0) {
        hold->address = (void *)(uintptr_t)slice.ref;
        return PSN_OK;
    }
    hold->ref = slice.ref;
    return psn_block_address(segment, slice.ref, slice.length, &hold->address);
}

psn_status psn_hold_open(psn_segment *segment, psn_slice slice, psn_hold **hold) {
    psn_hold *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return PSN_NO_MEMORY;
    }
    psn_status status = address_of(segment, slice, made);
    if (status != PSN_OK) {
        free(made);
        return status;
    }
    made->segment = segment;
    psn_segment_keep(segment);
    psn_process_lock();
    made->next = segment->holds;
    if (segment->holds != NULL) {
        segment->holds->previous = made;
    }
    segment->holds = made;
    psn_process_unlock();
    *hold = made;
    return PSN_OK;
}

void *psn_hold_address(const psn_hold *hold) {
    return hold->address;
}

/* Under psn_process_lock, as every change of a mapping. */
static psn_status remap(psn_hold *hold, bool is_private) {
    const psn_mapped_block *mapped = &hold->segment->mapped[psn_ref_index(hold->ref)];
    return psn_os_memory_remap(hold->segment->fd, psn_load_relaxed64(&mapped->offset),
                               psn_load_relaxed64(&mapped->capacity), hold->address, is_private);
}

void psn_hold_make_private(psn_hold *hold) {
    if (hold->ref != 0 && !hold->is_private) {
        psn_status status = remap(hold, true);
        hold->is_private = status == PSN_OK; /* else the writes are shared, nothing is lost */
    }
}

static void make_shared(psn_hold *hold) {
    if (remap(hold, false) != PSN_OK) {
        /* Never write into the private copy as if it were shared: forget the mapping (and leak
         * its address range, which is all that is left of it). */
        psn_store_release64(&hold->segment->mapped[psn_ref_index(hold->ref)].offset, 0);
    }
}

void psn_hold_release(psn_hold *hold) {
    psn_segment *segment = hold->segment;
    psn_process_lock();
    if (hold->previous != NULL) {
        hold->previous->next = hold->next;
    } else {
        segment->holds = hold->next;
    }
    if (hold->next != NULL) {
        hold->next->previous = hold->previous;
    }
    if (hold->is_private) {
        make_shared(hold); /* before a fork can copy a private mapping that is in nobody's list */
    }
    psn_process_unlock();
    if (hold->ref == 0) {
        free(hold->address);
    } else {
        psn_block_drop(segment, hold->ref);
    }
    free(hold);
    psn_segment_release(segment);
}
