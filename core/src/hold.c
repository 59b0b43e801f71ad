/* Taking, filling and letting go of blocks. */
#include "hold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "kill_point.h"
#include "lane.h"
#include "peer.h"

#define ASK_SYSTEM_FROM (UINT64_C(16) << 20) /* bytes; below, asking costs more than it saves */

#define SWEEP_NANOSECONDS (UINT64_C(100) * 1000 * 1000)

/* Asking for more than there is wakes the out-of-memory killer instead of failing. */
static bool system_has(uint64_t size) {
    return size < ASK_SYSTEM_FROM || size <= psn_os_memory_available();
}

bool psn_segment_is_time_to_sweep(psn_segment *segment) {
    uint64_t now = psn_now(), last = psn_load_relaxed64(&segment->swept_at);
    if (now - last < SWEEP_NANOSECONDS) {
        return false;
    }
    psn_store_relaxed64(&segment->swept_at, now);
    return true;
}

/* A producer of big messages that runs ahead of a working consumer writes each into memory that
 * is cold or fresh, at a fifth or a tenth of the speed of the block that the consumer is about to
 * let go of. So it lets itself be overtaken: it waits until few messages are ahead of it, but
 * never longer than fresh pages would cost (ski rental), and never twice for one and the same
 * message of the consumer, who may be slow or have stopped. */
#define FRESH_PAGE_NANOSECONDS 700U
#define MANY_AHEAD 8U
#define FEW_AHEAD 2U
#define MANY_UP_TO (UINT64_C(4) << 20) /* bytes of one message */
#define SPIN_NANOSECONDS UINT64_C(30000)
#define NAP_NANOSECONDS UINT64_C(20000)
#define LONGEST_WAIT (UINT64_C(20) * 1000 * 1000)

/* A lane with that many messages, whose consumer last ran on another processor. */
static const psn_lane *lane_that_lags(const psn_segment *segment, uint64_t ahead) {
    uint32_t count = psn_segment_header(segment)->lane_count, here = psn_os_cpu() + 1;
    for (uint32_t number = 0; number < PSN_LANES && number < count; number++) {
        const psn_lane *lane = psn_segment_lane(segment, number);
        uint32_t consumer = psn_load_relaxed32(&lane->consumer_cpu);
        if (consumer != 0 && consumer != here && psn_lane_size(lane) >= ahead) {
            return lane;
        }
    }
    return NULL;
}

static void let_consumer_catch_up(psn_segment *segment, uint64_t size) {
    uint64_t ahead = size <= MANY_UP_TO ? MANY_AHEAD : FEW_AHEAD;
    const psn_lane *lane = lane_that_lags(segment, ahead);
    if (lane == NULL ||
        psn_load_relaxed64(&segment->waited_in_vain_at) == psn_lane_taken_count(lane) + 1) {
        return;
    }
    uint64_t budget = size / psn_os_page_size() * FRESH_PAGE_NANOSECONDS;
    uint64_t start = psn_now(), waited = 0;
    budget = budget < LONGEST_WAIT ? budget : LONGEST_WAIT;
    while (waited < budget) {
        for (int look = 0; look < 8; look++) {
            if (psn_lane_size(lane) < ahead) {
                return;
            }
            psn_pause();
        }
        if (waited > SPIN_NANOSECONDS) {
            psn_os_nap(NAP_NANOSECONDS);
        }
        waited = psn_now() - start;
    }
    psn_store_relaxed64(&segment->waited_in_vain_at, psn_lane_taken_count(lane) + 1);
}

static psn_status take(psn_segment *segment, uint64_t size, uint32_t *holder, psn_ref *ref,
                       bool *fresh) {
    *holder = psn_peer_slot(segment);
    if (*holder == 0 || psn_load_relaxed32(&psn_segment_arena(segment)->suspect) != 0) {
        psn_segment_sweep(segment);
        *holder = psn_peer_slot(segment);
    }
    if (*holder == 0) {
        return PSN_FULL;
    }
    let_consumer_catch_up(segment, size);
    psn_status status = psn_arena_take(segment, size, 0, *holder, ref, fresh);
    if (status == PSN_FULL && psn_segment_is_time_to_sweep(segment)) {
        psn_segment_sweep(segment);
        status = psn_arena_take(segment, size, 0, *holder, ref, fresh);
    }
    if (status == PSN_OK && *fresh && psn_segment_is_time_to_sweep(segment)) {
        /* Before the segment grows for good: the next ones may find what a dead process held. */
        psn_segment_sweep(segment);
    }
    if (status == PSN_OK && *fresh && !system_has(size)) {
        psn_block_release(segment, *holder, *ref);
        errno = ENOMEM;
        return PSN_NO_MEMORY;
    }
    return status;
}

static psn_status give_up(psn_segment *segment, uint32_t holder, psn_ref ref, psn_status status) {
    int saved = errno;
    psn_block_release(segment, holder, ref);
    errno = saved;
    return status;
}

static psn_status back_with_pages(psn_segment *segment, psn_ref ref, uint64_t from) {
    const psn_block *block = psn_segment_block(segment, psn_ref_index(ref));
    from = from / psn_os_page_size() * psn_os_page_size();
    if (from == block->capacity) {
        return PSN_OK;
    }
    return psn_os_memory_reserve(segment->fd, block->offset + from, block->capacity - from);
}

static psn_status address_for(psn_segment *segment, psn_ref ref, uint64_t size, void **address) {
    uint64_t capacity;
    psn_status status =
        psn_segment_block_address(segment, psn_ref_index(ref), address, &capacity);
    if (status == PSN_OK && size > capacity) {
        status = psn_fail(PSN_CORRUPT, "block %u has %llu bytes, not %llu", psn_ref_index(ref),
                          (unsigned long long)capacity, (unsigned long long)size);
    }
    return status;
}

psn_status psn_block_take(psn_segment *segment, uint64_t size, psn_ref *ref, void **address) {
    uint32_t holder;
    bool fresh;
    psn_status status = take(segment, size, &holder, ref, &fresh);
    if (status != PSN_OK) {
        return status;
    }
    if (fresh) {
        status = back_with_pages(segment, *ref, 0);
        if (status != PSN_OK) {
            return give_up(segment, holder, *ref, status);
        }
        psn_arena_ready(segment, *ref);
    }
    status = address_for(segment, *ref, size, address);
    return status == PSN_OK ? status : give_up(segment, holder, *ref, status);
}

/* Fresh pages are written through the descriptor: half the cost of faulting them in. */
static psn_status fill_fresh(psn_segment *segment, const void *from, uint64_t size, psn_ref ref) {
    const psn_block *block = psn_segment_block(segment, psn_ref_index(ref));
    psn_status status = psn_os_memory_write(segment->fd, block->offset, from, size);
    if (status == PSN_OK) {
        status = back_with_pages(segment, ref, size);
    }
    if (status == PSN_OK) {
        psn_arena_ready(segment, ref);
    }
    return status;
}

psn_status psn_block_fill(psn_segment *segment, const void *from, uint64_t size, psn_ref *ref) {
    uint32_t holder;
    bool fresh;
    psn_status status = take(segment, size, &holder, ref, &fresh);
    if (status != PSN_OK) {
        return status;
    }
    if (fresh) {
        status = fill_fresh(segment, from, size, *ref);
    } else {
        void *address;
        status = address_for(segment, *ref, size, &address);
        if (status == PSN_OK) {
            memcpy(address, from, size);
        }
    }
    if (status != PSN_OK) {
        return give_up(segment, holder, *ref, status);
    }
    psn_kill_point(PSN_KILL_BLOCK_FILLED);
    return PSN_OK;
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
    return address_for(segment, slice.ref, slice.length, &hold->address);
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
