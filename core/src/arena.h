/* The blocks of a segment: size classes, free lists, pages got and given back.
 *
 * A free block keeps its pages while the segment has little of that (warm: stores into it run
 * at memory speed, fresh pages cost ten times as much) and gives them back beyond (cold). The
 * phase and generation in a block's state word are the truth; lists are rebuilt from them
 * when the lock is found abandoned. A generation is never used twice, so that freeing twice
 * or by a stale reference does nothing.
 */
#ifndef PSN_ARENA_H
#define PSN_ARENA_H

#include "segment.h"

#define PSN_CHUNK_FIRST (UINT64_C(4) << 10)
#define PSN_CHUNK_USUAL (UINT64_C(64) << 10)
#define PSN_CHUNK_MAX (UINT64_C(16) << 20)

psn_status psn_arena_lock(psn_segment *segment);
/* PSN_BUSY as the flags say: see PSN_TRY_LOCK. */
psn_status psn_arena_lock_with(psn_segment *segment, unsigned flags);
void psn_arena_unlock(psn_segment *segment);

/* Takes a block of at least `size` bytes, for a buffer. holder: a peer's slot + 1.
 * *fresh: the block has no pages yet; get them and call psn_arena_ready, or psn_arena_free. */
psn_status psn_arena_take(psn_segment *segment, uint64_t size, uint32_t holder, psn_ref *ref,
                          bool *fresh);
void psn_arena_ready(psn_segment *segment, psn_ref ref);
/* A chunk: taken and backed. Of about `size` bytes: what is warm is taken if it has room for `least`.
 * PSN_BUSY as the flags say. */
psn_status psn_arena_take_chunk(psn_segment *segment, uint64_t size, uint64_t least, unsigned flags,
                                psn_ref *ref);
/* Does nothing when the reference is stale. */
void psn_arena_free(psn_segment *segment, psn_ref ref);
void psn_arena_free_locked(psn_segment *segment, psn_ref ref);
/* Gives the pages of warm blocks back until at most `keep` bytes are left; how many. Locked. */
uint64_t psn_arena_trim_locked(psn_segment *segment, uint64_t keep);
/* Somebody has waited for a while: gives back what is warm, if nobody has used it meanwhile. */
void psn_arena_cool(psn_segment *segment);

static inline psn_block_phase psn_block_phase_of(uint64_t state) {
    return (psn_block_phase)(state & 0xff);
}
static inline uint32_t psn_block_generation_of(uint64_t state) {
    return (uint32_t)(state >> 32);
}
static inline uint64_t psn_block_state(uint32_t generation, psn_block_phase phase) {
    return (uint64_t)generation << 32 | (uint64_t)phase;
}
/* Entries ever used, entry 0 included; never more than there are. Locked. */
uint32_t psn_arena_entries(const psn_arena *arena);
/* Is it in use, under this very reference? */
bool psn_arena_is_used(const psn_segment *segment, psn_ref ref);

#endif
