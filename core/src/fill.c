/* Filling blocks that are to be sent: taking them, backing them with pages, pacing who fills. */
#include <errno.h>
#include <string.h>

#include "arena.h"
#include "hold.h"
#include "kill_point.h"
#include "lane.h"
#include "peer.h"

#define ASK_SYSTEM_FROM (UINT64_C(16) << 20) /* bytes; below, asking costs more than it saves */

/* Asking for more than there is wakes the out-of-memory killer instead of failing. */
static bool system_has(uint64_t size) {
    return size < ASK_SYSTEM_FROM || size <= psn_os_memory_available();
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

/* What is warm and of another size makes room before a message is refused. */
static bool has_room_for(psn_segment *segment, uint64_t size) {
    if (system_has(size)) {
        return true;
    }
    if (psn_arena_lock(segment) != PSN_OK) {
        return false;
    }
    psn_arena_trim_locked(segment, 0);
    psn_arena_unlock(segment);
    return system_has(size);
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
    psn_status status = psn_arena_take(segment, size, *holder, ref, fresh);
    if (status == PSN_FULL && psn_segment_is_time_to_sweep(segment)) {
        psn_segment_sweep(segment);
        status = psn_arena_take(segment, size, *holder, ref, fresh);
    }
    if (status == PSN_OK && *fresh && psn_segment_is_time_to_sweep(segment)) {
        /* Before the segment grows for good: the next ones may find what a dead process held. */
        psn_segment_sweep(segment);
    }
    if (status == PSN_OK && *fresh && !has_room_for(segment, size)) {
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
    status = psn_block_address(segment, *ref, size, address);
    return status == PSN_OK ? status : give_up(segment, holder, *ref, status);
}

/* Pages that this process has not written yet are there, but not in its page table; one call for
 * all costs a fifth of a fault for each. */
static void populate(psn_segment *segment, psn_ref ref, void *address, uint64_t size) {
    psn_mapped_block *mapped = &segment->mapped[psn_ref_index(ref)];
    if (psn_load_relaxed32(&mapped->is_populated) == 0) {
        psn_os_memory_populate(address, size);
        psn_store_relaxed32(&mapped->is_populated, 1);
    }
}

/* Fresh pages are written through the descriptor: half the cost of faulting them in. */
static psn_status fill_fresh(psn_segment *segment, const void *from, uint64_t size, psn_ref ref) {
    const psn_block *block = psn_segment_block(segment, psn_ref_index(ref));
    psn_store_relaxed32(&segment->mapped[psn_ref_index(ref)].is_populated, 0);
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
        status = psn_block_address(segment, *ref, size, &address);
        if (status == PSN_OK) {
            populate(segment, *ref, address, size);
            memcpy(address, from, size);
        }
    }
    if (status != PSN_OK) {
        return give_up(segment, holder, *ref, status);
    }
    psn_kill_point(PSN_KILL_BLOCK_FILLED);
    return PSN_OK;
}
