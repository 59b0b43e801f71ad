/* Free blocks: in which order they are used again, and how many of them keep their pages.
 * Everything here is under the arena's lock, and memory, not truth: rebuilt after a death. */
#ifndef PSN_WARMTH_H
#define PSN_WARMTH_H

#include "segment.h"

/* Sizes come in classes; `capacity` is that of the class. False for more than any memory has. */
bool psn_size_class(uint64_t size, uint32_t *number, uint64_t *capacity);

static inline bool psn_block_is_buffer(const psn_block *block) {
    return (psn_load_relaxed32(&block->flags) & PSN_BLOCK_IS_CHUNK) == 0;
}

/* All lists are empty. */
void psn_warmth_forget(psn_segment *segment);
void psn_warmth_add(psn_segment *segment, uint32_t index);
/* 0 when the list is empty, or damaged: an entry in use is never handed out a second time. */
uint32_t psn_warmth_pop(psn_segment *segment, uint32_t number);
/* A warm block to use: one of this class, or 0, also when one with fresh pages is better. */
uint32_t psn_warmth_pop_buffer(psn_segment *segment, uint32_t number);
/* For a chunk: of this class, or else of another, with room for `least`; 0 as above. */
uint32_t psn_warmth_pop_chunk(psn_segment *segment, uint32_t number, uint64_t least);
void psn_cold_add(psn_segment *segment, uint32_t index);
uint32_t psn_cold_pop(psn_segment *segment);

void psn_warmth_note_taken(psn_arena *arena, uint64_t capacity, bool fresh, bool is_chunk);

/* Has no buffer been taken or given back for a while? */
bool psn_warmth_is_quiet(const psn_arena *arena);

typedef enum { PSN_WARMTH_KEEP, PSN_WARMTH_COOL, PSN_WARMTH_END_OF_BURST } psn_warmth;
/* What shall become of a block that is being given back; END_OF_BURST: and of the others. */
psn_warmth psn_warmth_of_freed(psn_arena *arena, psn_block *block);

#endif
