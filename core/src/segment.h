/* One segment as this process has it: the descriptor, the control pages, blocks mapped so far. */
#ifndef PSN_SEGMENT_H
#define PSN_SEGMENT_H

#include "layout.h"

typedef struct {
    psn_atomic_pointer address; /* NULL: not mapped yet */
    psn_atomic64 offset, capacity; /* what is mapped there */
    psn_atomic32 is_populated; /* its pages were in the page table once: a hint, may be out of date */
} psn_mapped_block;

struct psn_segment {
    int fd;
    char *control;
    psn_mapped_block *mapped; /* PSN_BLOCKS entries */
    psn_atomic64 swept_at;    /* psn_now of this process' last look for dead peers */
    psn_atomic64 waited_in_vain_at; /* messages taken + 1 when waiting for a consumer last failed */
    psn_atomic32 users;       /* handles and holds; the last one unmaps */

    psn_atomic32 peer;        /* slot + 1 in the peer table, 0 = none yet; set under the lock below */
    /* Under psn_process_lock. */
    uint32_t mapped_end;      /* entries of `mapped` ever used */
    uint32_t heir;            /* slot + 1 reserved for the child of a fork that is under way */
    psn_hold *holds;          /* list of received blocks alive in this process */
    psn_segment *next, *previous;
};

/* Guards what this process alone has; taken around a fork, so that a child never finds it held. */
void psn_process_lock(void);
void psn_process_unlock(void);
/* From now on the process lock is taken around forks, and a child is made ready by all that
 * keeps something of this process alone. */
void psn_process_watch_forks(void);

psn_status psn_segment_create(psn_segment_kind kind, uint32_t lanes, psn_segment **segment);
/* Takes the descriptor over when it succeeds. */
psn_status psn_segment_attach(int fd, psn_segment_kind kind, psn_segment **segment);
void psn_segment_keep(psn_segment *segment);
void psn_segment_release(psn_segment *segment);

static inline psn_header *psn_segment_header(const psn_segment *segment) {
    return (psn_header *)(void *)segment->control;
}
static inline psn_arena *psn_segment_arena(const psn_segment *segment) {
    return &((psn_first_page *)(void *)segment->control)->arena;
}
static inline psn_lane *psn_segment_lane(const psn_segment *segment, unsigned number) {
    return (psn_lane *)(void *)(segment->control + PSN_LANES_AT) + number;
}
static inline psn_claim *psn_segment_claim(const psn_segment *segment, unsigned number) {
    return (psn_claim *)(void *)(segment->control + PSN_CLAIMS_AT) + number;
}
static inline psn_peer *psn_segment_peer(const psn_segment *segment, uint32_t slot) {
    return (psn_peer *)(void *)(segment->control + PSN_PEERS_AT) + slot;
}
static inline psn_block *psn_segment_block(const psn_segment *segment, uint32_t index) {
    return (psn_block *)(void *)(segment->control + PSN_BLOCKS_AT) + index;
}

/* Has this process not looked for dead peers for a while? Then it shall now. */
bool psn_segment_is_time_to_sweep(psn_segment *segment);
/* As psn_segment_reclaim, but leaves warm memory warm. In reclaim.c. */
void psn_segment_sweep(psn_segment *segment);

/* Where the block's bytes are in this process, and how many; maps them at first use. Refuses an
 * index or a range that the segment does not have. */
psn_status psn_segment_block_address(psn_segment *segment, uint32_t index, void **address,
                                     uint64_t *capacity);

#endif
