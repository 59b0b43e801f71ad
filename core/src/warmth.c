/* The free lists.
 *
 * Warm blocks are used again in turn, the one that was given back first in front. The other way
 * round would use few pages, but those that the reader on another processor has just read: to write
 * a block that still lies in another processor's cache costs four times as much as one that has left
 * it. So the turn is to be longer than a cache of one processor: it grows, by a fresh block
 * now and then, while blocks come round too soon, and is as short as before where nothing hurries.
 *
 * How much stays warm: what a stream of big messages uses again, and little after a burst. Where
 * somebody is known to wait whenever nothing happens (the workers of a pool), all that was in use,
 * since it is given back a second later: the results of a call are let go of at once when their
 * user has seen them, and the next call needs as much.
 */
#include "warmth.h"

#include "arena.h"

#define SMALLEST_LOG2 14U /* 16 KiB; below there is one page */
#define WARM_BASE (UINT64_C(32) << 20)
#define WARM_WATCHED (UINT64_C(1) << 30) /* where somebody always waits, who gives it back */
#define QUIET_NANOSECONDS (UINT64_C(750) * 1000 * 1000)
#define WARM_MORE (UINT64_C(4) << 30)                   /* at most, and only on demand */
#define DEMAND_LASTS (UINT64_C(5) * 1000 * 1000 * 1000) /* nanoseconds */
#define WARM_CHUNKS (UINT64_C(8) << 20)
#define WARM_MORE_CHUNKS (UINT64_C(56) << 20) /* at most, and only on demand */
#define CHUNK_OTHER_MAX (UINT64_C(1) << 20)
#define BURST (UINT64_C(96) << 20) /* taken while nothing is given back, or the other way round */
#define BURST_BLOCKS 3U            /* but never so few */
#define TURN_BYTES (UINT64_C(3) << 20) /* more than the private cache of most processors */
#define HOT_NANOSECONDS (UINT64_C(1000) * 1000)
#define HOT_TAKES_FOR_FRESH 4U /* some takes of a hot block cost as much as fresh pages */

/* ---- size classes: four to a power of two, so at most a fifth is wasted ---- */

/* Whole pages first, so that a capacity is of the very class that it was made for. */
bool psn_size_class(uint64_t size, uint32_t *number, uint64_t *capacity) {
    const uint64_t smallest = UINT64_C(1) << SMALLEST_LOG2, page = psn_os_page_size();
    if (size > (UINT64_C(1) << 45)) {
        return false;
    }
    if (size <= smallest) {
        *number = size > page;
        *capacity = size > page ? smallest : page;
        return true;
    }
    size = PSN_ROUND_UP(size, page);
    uint32_t log2 = 63U - (uint32_t)__builtin_clzll(size - 1); /* 2^log2 < size <= 2^(log2+1) */
    uint64_t step = (UINT64_C(1) << log2) / 4;
    *capacity = PSN_ROUND_UP(size, step);
    *number =
        1 + 4 * (log2 - SMALLEST_LOG2) + (uint32_t)((*capacity - (UINT64_C(1) << log2)) / step);
    return *number < PSN_SIZE_CLASSES;
}

/* ---- lists ---- */

static psn_block_phase phase_at(const psn_segment *segment, uint32_t index) {
    if (index >= PSN_BLOCKS) {
        return PSN_BLOCK_USED;
    }
    uint64_t state = psn_load_acquire64(&psn_segment_block(segment, index)->state);
    return (psn_block_phase)(state & 0xff);
}

void psn_warmth_forget(psn_segment *segment) {
    psn_arena *arena = psn_segment_arena(segment);
    arena->cold_list = 0;
    arena->warm_bytes = 0;
    for (uint32_t number = 0; number < PSN_SIZE_CLASSES; number++) {
        arena->warm_lists[number] = (psn_warm_list){0};
    }
}

void psn_warmth_add(psn_segment *segment, uint32_t index) {
    psn_arena *arena = psn_segment_arena(segment);
    psn_block *block = psn_segment_block(segment, index);
    uint64_t capacity = block->capacity, same;
    uint32_t number;
    if (!psn_size_class(capacity, &number, &same)) {
        return;
    }
    psn_warm_list *list = &arena->warm_lists[number];
    block->next_free = 0;
    if (list->first == 0 || phase_at(segment, list->last) != PSN_BLOCK_WARM) {
        list->first = index; /* or the list was damaged: what it had is lost until it is rebuilt */
        list->count = 0;
    } else {
        psn_segment_block(segment, list->last)->next_free = index;
    }
    list->last = index;
    list->count++;
    arena->warm_bytes += capacity;
}

uint32_t psn_warmth_pop(psn_segment *segment, uint32_t number) {
    psn_arena *arena = psn_segment_arena(segment);
    psn_warm_list *list = &arena->warm_lists[number];
    uint32_t index = list->first;
    if (index == 0) {
        return 0;
    }
    if (phase_at(segment, index) != PSN_BLOCK_WARM) {
        *list = (psn_warm_list){0};
        return 0;
    }
    const psn_block *block = psn_segment_block(segment, index);
    list->first = index == list->last ? 0 : block->next_free;
    list->count -= list->count > 0;
    arena->warm_bytes -= block->capacity < arena->warm_bytes ? block->capacity : arena->warm_bytes;
    return index;
}

void psn_cold_add(psn_segment *segment, uint32_t index) {
    psn_arena *arena = psn_segment_arena(segment);
    psn_segment_block(segment, index)->next_free = arena->cold_list;
    arena->cold_list = index;
}

uint32_t psn_cold_pop(psn_segment *segment) {
    psn_arena *arena = psn_segment_arena(segment);
    uint32_t index = arena->cold_list;
    if (index == 0) {
        return 0;
    }
    psn_block_phase phase = phase_at(segment, index);
    if (phase != PSN_BLOCK_COLD && phase != PSN_BLOCK_NONE) {
        arena->cold_list = 0;
        return 0;
    }
    arena->cold_list = psn_segment_block(segment, index)->next_free;
    return index;
}

/* ---- the turn ---- */

static bool prefers_fresh(psn_segment *segment, uint32_t number, uint64_t in_turn) {
    psn_warm_list *list = &psn_segment_arena(segment)->warm_lists[number];
    if (list->first == 0 || list->first >= PSN_BLOCKS || in_turn >= TURN_BYTES) {
        return false;
    }
    const psn_block *block = psn_segment_block(segment, list->first);
    if (block->freed_on == psn_os_cpu() + 1 || psn_now() - block->freed_at >= HOT_NANOSECONDS) {
        return false;
    }
    return ++list->hot_takes % HOT_TAKES_FOR_FRESH == 0;
}

/* A warm block of another size than its list's is damaged: left alone. */
static uint32_t pop_sound(psn_segment *segment, uint32_t number) {
    uint32_t index = psn_warmth_pop(segment, number), same;
    uint64_t capacity;
    bool is_sound = index != 0 &&
                    psn_size_class(psn_segment_block(segment, index)->capacity, &same, &capacity) &&
                    same == number && capacity == psn_segment_block(segment, index)->capacity;
    return is_sound ? index : 0;
}

uint32_t psn_warmth_pop_buffer(psn_segment *segment, uint32_t number) {
    const psn_warm_list *list = &psn_segment_arena(segment)->warm_lists[number];
    uint64_t each = list->first < PSN_BLOCKS ? psn_segment_block(segment, list->first)->capacity : 0;
    return prefers_fresh(segment, number, list->count * each) ? 0 : pop_sound(segment, number);
}

/* What size a chunk has is a matter of speed, and fresh pages cost more than a wrong size. Smaller
 * ones first: a large one would stay with a lane through which little comes. */
static uint32_t pop_other_chunk(psn_segment *segment, uint32_t number, uint64_t least) {
    uint32_t lowest, highest;
    uint64_t capacity;
    if (!psn_size_class(least > PSN_CHUNK_USUAL ? least : PSN_CHUNK_USUAL, &lowest, &capacity) ||
        !psn_size_class(CHUNK_OTHER_MAX, &highest, &capacity) || number < lowest) {
        return 0; /* a lane's first and small ones */
    }
    uint32_t index = 0;
    for (uint32_t other = number; index == 0 && other-- > lowest;) {
        index = pop_sound(segment, other);
    }
    for (uint32_t other = number + 1; index == 0 && other <= highest; other++) {
        index = pop_sound(segment, other);
    }
    return index;
}

uint32_t psn_warmth_pop_chunk(psn_segment *segment, uint32_t number, uint64_t least) {
    if (prefers_fresh(segment, number, psn_segment_arena(segment)->warm_bytes)) {
        return 0;
    }
    uint32_t index = pop_sound(segment, number);
    return index != 0 ? index : pop_other_chunk(segment, number, least);
}

/* ---- how much stays warm ---- */

static bool is_recent(uint64_t when, uint64_t now) {
    return when != 0 && now - when < DEMAND_LASTS;
}

/* A queue of two messages of 1 GiB gives back two in a row, and is no backlog. */
static uint64_t burst_of(uint64_t capacity) {
    return capacity * BURST_BLOCKS > BURST ? capacity * BURST_BLOCKS : BURST;
}

/* A block is taken. Where it has to be fresh although pages have just been given back, more should
 * have been kept; but not for a backlog that grows, which will not be there again. */
void psn_warmth_note_taken(psn_arena *arena, uint64_t capacity, bool fresh, bool is_chunk) {
    uint64_t now = psn_now(), most = is_chunk ? WARM_MORE_CHUNKS : WARM_MORE;
    bool is_backlog = false;
    if (!is_chunk) {
        is_backlog = arena->taken_since_freed > burst_of(capacity);
        arena->touched_at = now;
        arena->taken_since_freed += capacity;
        arena->freed_since_taken = 0;
    }
    if (fresh && !is_recent(arena->cooled_at, now)) {
        return;
    }
    if (!is_recent(arena->demand_at, now)) {
        arena->keep_bytes = 0;
    }
    if (fresh && !is_backlog && arena->keep_bytes + capacity <= most) {
        arena->keep_bytes += capacity;
    }
    arena->demand_at = now;
}

static bool has_place(const psn_arena *arena, const psn_block *block, uint64_t most) {
    return arena->warm_bytes + block->capacity <= most;
}

psn_warmth psn_warmth_of_freed(psn_arena *arena, psn_block *block) {
    uint64_t now = psn_now(), more = is_recent(arena->demand_at, now) ? arena->keep_bytes : 0;
    block->freed_at = now;
    block->freed_on = psn_os_cpu() + 1;
    if (!psn_block_is_buffer(block)) {
        more = more < WARM_MORE_CHUNKS ? more : WARM_MORE_CHUNKS;
        if (has_place(arena, block, WARM_CHUNKS + more)) {
            return PSN_WARMTH_KEEP;
        }
        arena->cooled_at = now;
        return PSN_WARMTH_COOL;
    }
    bool is_watched = psn_load_relaxed32(&arena->stays_warm) != 0;
    arena->touched_at = now;
    arena->taken_since_freed = 0;
    arena->freed_since_taken += block->capacity;
    if (!is_watched && arena->freed_since_taken > burst_of(block->capacity) + more) {
        arena->cooled_at = now;
        arena->keep_bytes = 0;
        return PSN_WARMTH_END_OF_BURST;
    }
    if (has_place(arena, block, (is_watched ? WARM_WATCHED : WARM_BASE) + more)) {
        return PSN_WARMTH_KEEP;
    }
    arena->cooled_at = now;
    return PSN_WARMTH_COOL;
}

bool psn_warmth_is_quiet(const psn_arena *arena) {
    return psn_now() - arena->touched_at >= QUIET_NANOSECONDS;
}
