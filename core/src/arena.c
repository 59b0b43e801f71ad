/* Blocks taken and given back. */
#include "arena.h"

#include <errno.h>

#include "kill_point.h"
#include "peer.h"

#define SMALLEST_LOG2 14U /* 16 KiB */
#define WARM_MAX (UINT64_C(192) << 20)
#define WARM_MAX_CHUNKS (UINT64_C(8) << 20)
#define ALIGN_FROM (UINT64_C(2) << 20)       /* the size of a huge page */

/* ---- size classes: four to a power of two, so at most a fifth is wasted ---- */

static bool size_class(uint64_t size, uint32_t *number, uint64_t *capacity) {
    if (size <= (UINT64_C(1) << SMALLEST_LOG2)) {
        *number = 0;
        *capacity = PSN_ROUND_UP(UINT64_C(1) << SMALLEST_LOG2, psn_os_page_size());
        return true;
    }
    if (size > (UINT64_C(1) << 45)) {
        return false;
    }
    uint32_t log2 = 63U - (uint32_t)__builtin_clzll(size - 1); /* 2^log2 < size <= 2^(log2+1) */
    uint64_t step = (UINT64_C(1) << log2) / 4;
    uint64_t rounded = PSN_ROUND_UP(size, step);
    *number = 4 * (log2 - SMALLEST_LOG2) + (uint32_t)((rounded - (UINT64_C(1) << log2)) / step);
    *capacity = PSN_ROUND_UP(rounded, psn_os_page_size());
    return *number < PSN_SIZE_CLASSES;
}

/* ---- free lists ---- */

static void push(psn_segment *segment, psn_atomic32 *list, uint32_t index) {
    psn_segment_block(segment, index)->next_free = psn_load_relaxed32(list);
    psn_store_relaxed32(list, index);
}

static uint32_t pop(psn_segment *segment, psn_atomic32 *list) {
    uint32_t index = psn_load_relaxed32(list);
    if (index != 0) {
        psn_store_relaxed32(list, psn_segment_block(segment, index)->next_free);
    }
    return index;
}

static void push_warm(psn_segment *segment, uint32_t index) {
    psn_arena *arena = psn_segment_arena(segment);
    uint64_t capacity = psn_segment_block(segment, index)->capacity, same;
    uint32_t number;
    if (size_class(capacity, &number, &same)) {
        push(segment, &arena->warm_lists[number], index);
        arena->warm_bytes += capacity;
    }
}

static void rebuild_lists(psn_segment *segment) {
    psn_arena *arena = psn_segment_arena(segment);
    psn_store_relaxed32(&arena->cold_list, 0);
    arena->warm_bytes = 0;
    for (uint32_t number = 0; number < PSN_SIZE_CLASSES; number++) {
        psn_store_relaxed32(&arena->warm_lists[number], 0);
    }
    for (uint32_t index = 1; index < arena->block_count; index++) {
        uint64_t state = psn_load_acquire64(&psn_segment_block(segment, index)->state);
        psn_block_phase phase = psn_block_phase_of(state);
        if (phase == PSN_BLOCK_WARM) {
            push_warm(segment, index);
        } else if (phase == PSN_BLOCK_COLD || phase == PSN_BLOCK_NONE) {
            push(segment, &arena->cold_list, index);
        }
    }
}

psn_status psn_arena_lock(psn_segment *segment) {
    psn_arena *arena = psn_segment_arena(segment);
    bool abandoned = false;
    psn_status status = psn_mutex_lock(&arena->lock, &abandoned);
    if (PSN_UNLIKELY(abandoned)) {
        rebuild_lists(segment);
        psn_add_relaxed64(&arena->recoveries, 1);
        psn_store_release32(&arena->suspect, 1);
    }
    if (status == PSN_OK) {
        psn_kill_point(PSN_KILL_BLOCK_LOCKED);
    }
    return status;
}

void psn_arena_unlock(psn_segment *segment) {
    psn_mutex_unlock(&psn_segment_arena(segment)->lock);
}

/* ---- giving back ---- */

static void set_state(psn_block *block, uint32_t generation, psn_block_phase phase) {
    /* publishes: the block's other fields -> acquired by whoever checks a reference */
    psn_store_release64(&block->state, psn_block_state(generation, phase));
}

static void make_cold(psn_segment *segment, uint32_t index) {
    psn_block *block = psn_segment_block(segment, index);
    uint32_t generation = psn_block_generation_of(psn_load_acquire64(&block->state));
    psn_os_memory_discard(segment->fd, block->offset, block->capacity);
    set_state(block, generation + 1, PSN_BLOCK_COLD);
    push(segment, &psn_segment_arena(segment)->cold_list, index);
}

void psn_arena_free_locked(psn_segment *segment, psn_ref ref) {
    psn_arena *arena = psn_segment_arena(segment);
    uint32_t index = psn_ref_index(ref), generation = psn_ref_generation(ref);
    if (index == 0 || index >= PSN_BLOCKS) {
        return;
    }
    psn_block *block = psn_segment_block(segment, index);
    uint64_t state = psn_load_acquire64(&block->state);
    psn_block_phase phase = psn_block_phase_of(state);
    if (psn_block_generation_of(state) != generation ||
        (phase != PSN_BLOCK_USED && phase != PSN_BLOCK_PREPARING)) {
        return;
    }
    bool is_chunk = (psn_load_relaxed32(&block->flags) & PSN_BLOCK_IS_CHUNK) != 0;
    uint64_t limit = is_chunk ? WARM_MAX_CHUNKS : WARM_MAX;
    if (phase == PSN_BLOCK_USED && arena->warm_bytes + block->capacity <= limit) {
        set_state(block, generation + 1, PSN_BLOCK_WARM);
        push_warm(segment, index);
    } else {
        make_cold(segment, index);
    }
    psn_kill_point(PSN_KILL_BLOCK_FREED);
}

void psn_arena_free(psn_segment *segment, psn_ref ref) {
    if (psn_arena_lock(segment) == PSN_OK) {
        psn_arena_free_locked(segment, ref);
        psn_arena_unlock(segment);
    }
}

uint64_t psn_arena_trim_locked(psn_segment *segment, uint64_t keep) {
    psn_arena *arena = psn_segment_arena(segment);
    uint64_t freed = 0;
    for (uint32_t number = PSN_SIZE_CLASSES; number-- > 0;) { /* the largest first */
        while (arena->warm_bytes > keep && psn_load_relaxed32(&arena->warm_lists[number]) != 0) {
            uint32_t index = pop(segment, &arena->warm_lists[number]);
            uint64_t capacity = psn_segment_block(segment, index)->capacity;
            arena->warm_bytes -= capacity;
            freed += capacity;
            make_cold(segment, index);
        }
    }
    return freed;
}

/* ---- taking ---- */

/* Entries that only chunks may use, so that messages still find room when buffers do not. */
#define RESERVED_FOR_CHUNKS 1024U

static psn_status new_entry(psn_segment *segment, bool is_chunk, uint32_t *index) {
    psn_arena *arena = psn_segment_arena(segment);
    if (arena->block_count >= PSN_BLOCKS - (is_chunk ? 0 : RESERVED_FOR_CHUNKS)) {
        psn_arena_trim_locked(segment, 0);
        *index = pop(segment, &arena->cold_list);
        return *index != 0 ? PSN_OK : PSN_FULL;
    }
    uint64_t page = psn_os_page_size();
    uint64_t at = PSN_BLOCKS_AT + (uint64_t)arena->block_count * sizeof(psn_block);
    if (at % page == 0) { /* first entry of a page of the table */
        psn_status status = psn_os_memory_reserve(segment->fd, at, page);
        if (status != PSN_OK) {
            return status;
        }
    }
    *index = arena->block_count++;
    return PSN_OK;
}

/* An entry without pages, with a range of the file for `capacity` bytes. */
static psn_status take_cold(psn_segment *segment, uint64_t capacity, bool is_chunk,
                            uint32_t *index) {
    psn_arena *arena = psn_segment_arena(segment);
    *index = pop(segment, &arena->cold_list);
    if (*index == 0) {
        psn_status status = new_entry(segment, is_chunk, index);
        if (status != PSN_OK) {
            return status;
        }
    }
    psn_block *block = psn_segment_block(segment, *index);
    if (block->capacity != capacity) {
        uint64_t align = capacity >= ALIGN_FROM ? ALIGN_FROM : psn_os_page_size();
        block->offset = PSN_ROUND_UP(psn_load_relaxed64(&arena->file_end), align);
        block->capacity = capacity;
        psn_store_relaxed64(&arena->file_end, block->offset + capacity);
    }
    return PSN_OK;
}

static psn_status take_locked(psn_segment *segment, uint32_t number, uint64_t capacity,
                              bool is_chunk, uint32_t *index, bool *fresh) {
    psn_arena *arena = psn_segment_arena(segment);
    *index = pop(segment, &arena->warm_lists[number]);
    *fresh = *index == 0;
    if (!*fresh) {
        arena->warm_bytes -= psn_segment_block(segment, *index)->capacity;
        return PSN_OK;
    }
    return take_cold(segment, capacity, is_chunk, index);
}

psn_status psn_arena_take(psn_segment *segment, uint64_t size, uint32_t flags, uint32_t holder,
                          psn_ref *ref, bool *fresh) {
    uint32_t number, index;
    uint64_t capacity;
    if (!size_class(size, &number, &capacity)) {
        errno = ENOMEM;
        return PSN_NO_MEMORY;
    }
    psn_status status = psn_arena_lock(segment);
    if (status != PSN_OK) {
        return status;
    }
    status = take_locked(segment, number, capacity, (flags & PSN_BLOCK_IS_CHUNK) != 0, &index, fresh);
    if (status == PSN_OK) {
        psn_block *block = psn_segment_block(segment, index);
        uint32_t generation = psn_block_generation_of(psn_load_acquire64(&block->state));
        generation += generation == 0; /* a new entry: 0 would make the reference look like none */
        psn_store_relaxed64(&block->seq, PSN_SEQ_NONE);
        psn_store_relaxed32(&block->flags, flags);
        psn_store_relaxed32(&block->next_chunk, 0);
        if (holder != 0) {
            psn_peer_hold(segment, holder, index);
            psn_kill_point(PSN_KILL_BLOCK_HELD);
        }
        set_state(block, generation, *fresh ? PSN_BLOCK_PREPARING : PSN_BLOCK_USED);
        psn_kill_point(PSN_KILL_BLOCK_PREPARING);
        *ref = psn_ref_make(generation, index);
    }
    psn_arena_unlock(segment);
    return status;
}

void psn_arena_ready(psn_segment *segment, psn_ref ref) {
    set_state(psn_segment_block(segment, psn_ref_index(ref)), psn_ref_generation(ref),
              PSN_BLOCK_USED);
    psn_kill_point(PSN_KILL_BLOCK_USED);
}

psn_status psn_arena_take_chunk(psn_segment *segment, uint64_t size, psn_ref *ref) {
    bool fresh;
    psn_status status = psn_arena_take(segment, size, PSN_BLOCK_IS_CHUNK, 0, ref, &fresh);
    if (status != PSN_OK || !fresh) {
        return status;
    }
    const psn_block *block = psn_segment_block(segment, psn_ref_index(*ref));
    status = psn_os_memory_reserve(segment->fd, block->offset, block->capacity);
    if (status != PSN_OK) {
        int saved = errno;
        psn_arena_free(segment, *ref);
        errno = saved;
        return status;
    }
    psn_arena_ready(segment, *ref);
    return PSN_OK;
}

bool psn_arena_is_used(const psn_segment *segment, psn_ref ref) {
    uint32_t index = psn_ref_index(ref);
    return index > 0 && index < PSN_BLOCKS &&
           psn_load_acquire64(&psn_segment_block(segment, index)->state) ==
               psn_block_state(psn_ref_generation(ref), PSN_BLOCK_USED);
}
