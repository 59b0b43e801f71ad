/* Blocks taken and given back. Which of the free ones, and how long they stay warm: warmth.c. */
#include "arena.h"

#include <errno.h>

#include "kill_point.h"
#include "peer.h"
#include "warmth.h"

#define IDLE_WARM_BYTES (UINT64_C(1) << 20)
#define ALIGN_FROM (UINT64_C(2) << 20) /* the size of a huge page */

/* Entries that only chunks may use, so that messages still find room when buffers do not. */
#define RESERVED_FOR_CHUNKS 1024U

uint32_t psn_arena_entries(const psn_arena *arena) {
    uint32_t count = arena->block_count;
    return count == 0 ? 1 : count < PSN_BLOCKS ? count : PSN_BLOCKS;
}

static void discard(psn_segment *segment, const psn_block *block) {
    if (block->capacity > 0 && block->offset >= PSN_CONTROL_SIZE) {
        psn_os_memory_discard(segment->fd, block->offset, block->capacity);
    }
}

/* The state words are the truth. A cold block may still have its pages: the one who died had
 * perhaps not come to giving them back. */
static void rebuild_lists(psn_segment *segment) {
    psn_arena *arena = psn_segment_arena(segment);
    psn_warmth_forget(segment);
    arena->buffer_count = 0;
    for (uint32_t index = 1; index < psn_arena_entries(arena); index++) {
        const psn_block *block = psn_segment_block(segment, index);
        psn_block_phase phase = psn_block_phase_of(psn_load_acquire64(&block->state));
        if (phase == PSN_BLOCK_WARM) {
            psn_warmth_add(segment, index);
        } else if (phase == PSN_BLOCK_COLD || phase == PSN_BLOCK_NONE) {
            discard(segment, block);
            psn_cold_add(segment, index);
        } else {
            arena->buffer_count += psn_block_is_buffer(block);
        }
    }
}

psn_status psn_arena_lock(psn_segment *segment) {
    return psn_arena_lock_with(segment, 0);
}

psn_status psn_arena_lock_with(psn_segment *segment, unsigned flags) {
    psn_arena *arena = psn_segment_arena(segment);
    bool abandoned = false;
    psn_status status = psn_mutex_lock_with(&arena->lock, flags, &abandoned);
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
    /* In this order: a block without pages must never be taken for a warm one. */
    set_state(block, generation + 1, PSN_BLOCK_COLD);
    discard(segment, block);
    psn_cold_add(segment, index);
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
    arena->buffer_count -= psn_block_is_buffer(block) && arena->buffer_count > 0;
    psn_warmth warmth = psn_warmth_of_freed(arena, block);
    if (phase == PSN_BLOCK_USED && warmth == PSN_WARMTH_KEEP) {
        set_state(block, generation + 1, PSN_BLOCK_WARM);
        psn_warmth_add(segment, index);
    } else {
        make_cold(segment, index);
    }
    psn_kill_point(PSN_KILL_BLOCK_FREED);
    if (warmth == PSN_WARMTH_END_OF_BURST) {
        psn_arena_trim_locked(segment, 0);
    }
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
        uint32_t index;
        while (arena->warm_bytes > keep && (index = psn_warmth_pop(segment, number)) != 0) {
            freed += psn_segment_block(segment, index)->capacity;
            make_cold(segment, index);
        }
    }
    return freed;
}

void psn_arena_cool(psn_segment *segment) {
    if (psn_arena_lock(segment) == PSN_OK) {
        if (psn_warmth_is_quiet(psn_segment_arena(segment))) {
            psn_arena_trim_locked(segment, IDLE_WARM_BYTES);
        }
        psn_arena_unlock(segment);
    }
}

/* ---- taking ---- */

static psn_status new_entry(psn_segment *segment, uint32_t *index) {
    psn_arena *arena = psn_segment_arena(segment);
    uint32_t count = psn_arena_entries(arena);
    if (count == PSN_BLOCKS) {
        psn_arena_trim_locked(segment, 0);
        *index = psn_cold_pop(segment);
        return *index != 0 ? PSN_OK : PSN_FULL;
    }
    uint64_t page = psn_os_page_size();
    uint64_t at = PSN_BLOCKS_AT + (uint64_t)count * sizeof(psn_block);
    if (at % page == 0) { /* first entry of a page of the table */
        psn_status status = psn_os_memory_reserve(segment->fd, at, page);
        if (status != PSN_OK) {
            return status;
        }
    }
    *index = count;
    arena->block_count = count + 1;
    return PSN_OK;
}

/* Two blocks must never name the same bytes, whichever of these stores is the last one made. */
static void give_range(psn_arena *arena, psn_block *block, uint64_t capacity) {
    uint64_t align = capacity >= ALIGN_FROM ? ALIGN_FROM : psn_os_page_size();
    uint64_t at = PSN_ROUND_UP(psn_load_relaxed64(&arena->file_end), align);
    psn_store_relaxed64(&arena->file_end, at + capacity);
    psn_order_stores();
    block->capacity = 0; /* so that a half-made entry gets a range of its own once more */
    psn_order_stores();
    block->offset = at;
    psn_order_stores();
    block->capacity = capacity;
    psn_order_stores();
}

/* An entry without pages, with a range of the file for `capacity` bytes. */
static psn_status take_cold(psn_segment *segment, uint64_t capacity, uint32_t *index) {
    psn_arena *arena = psn_segment_arena(segment);
    *index = psn_cold_pop(segment);
    if (*index == 0) {
        psn_status status = new_entry(segment, index);
        if (status != PSN_OK) {
            return status;
        }
    }
    psn_block *block = psn_segment_block(segment, *index);
    if (block->capacity != capacity) {
        give_range(arena, block, capacity);
    }
    return PSN_OK;
}

typedef struct {
    uint64_t size, least; /* bytes; a buffer's are the same */
    uint32_t holder;      /* a peer's slot + 1, or 0: a chunk */
} wish;

static psn_status take_locked(psn_segment *segment, const wish *wished, uint32_t *index,
                              bool *fresh) {
    psn_arena *arena = psn_segment_arena(segment);
    uint32_t number;
    uint64_t capacity;
    if (!psn_size_class(wished->size, &number, &capacity)) {
        errno = ENOMEM;
        return PSN_NO_MEMORY;
    }
    bool is_chunk = wished->holder == 0;
    if (!is_chunk && arena->buffer_count >= PSN_BLOCKS - RESERVED_FOR_CHUNKS) {
        return PSN_FULL;
    }
    *index = is_chunk ? psn_warmth_pop_chunk(segment, number, wished->least)
                      : psn_warmth_pop_buffer(segment, number);
    *fresh = *index == 0;
    psn_status status = *fresh ? take_cold(segment, capacity, index) : PSN_OK;
    if (status == PSN_OK) {
        psn_warmth_note_taken(arena, capacity, *fresh, is_chunk);
    }
    return status;
}

static psn_status take(psn_segment *segment, const wish *wished, unsigned lock_flags, psn_ref *ref,
                       bool *fresh) {
    psn_status status = psn_arena_lock_with(segment, lock_flags);
    if (status != PSN_OK) {
        return status;
    }
    uint32_t index;
    status = take_locked(segment, wished, &index, fresh);
    if (status == PSN_OK) {
        psn_block *block = psn_segment_block(segment, index);
        uint32_t generation = psn_block_generation_of(psn_load_acquire64(&block->state));
        generation += generation == 0; /* a new entry: 0 would make the reference look like none */
        psn_store_relaxed64(&block->seq, PSN_SEQ_NONE);
        psn_store_relaxed32(&block->flags, wished->holder == 0 ? PSN_BLOCK_IS_CHUNK : 0);
        psn_store_relaxed32(&block->next_chunk, 0);
        if (wished->holder != 0) {
            psn_segment_arena(segment)->buffer_count++;
            psn_peer_hold(segment, wished->holder, index);
            psn_kill_point(PSN_KILL_BLOCK_HELD);
        }
        set_state(block, generation, *fresh ? PSN_BLOCK_PREPARING : PSN_BLOCK_USED);
        psn_kill_point(PSN_KILL_BLOCK_PREPARING);
        *ref = psn_ref_make(generation, index);
    }
    psn_arena_unlock(segment);
    return status;
}

psn_status psn_arena_take(psn_segment *segment, uint64_t size, uint32_t holder, psn_ref *ref,
                          bool *fresh) {
    const wish wished = {.size = size, .least = size, .holder = holder};
    return take(segment, &wished, 0, ref, fresh);
}

void psn_arena_ready(psn_segment *segment, psn_ref ref) {
    set_state(psn_segment_block(segment, psn_ref_index(ref)), psn_ref_generation(ref),
              PSN_BLOCK_USED);
    psn_kill_point(PSN_KILL_BLOCK_USED);
}

psn_status psn_arena_take_chunk(psn_segment *segment, uint64_t size, uint64_t least, unsigned flags,
                                psn_ref *ref) {
    const wish wished = {.size = size, .least = least, .holder = 0};
    bool fresh;
    psn_status status = take(segment, &wished, flags, ref, &fresh);
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
