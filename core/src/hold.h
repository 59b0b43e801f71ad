/* Blocks in this process' hands: being filled for sending, or received and in use. */
#ifndef PSN_HOLD_H
#define PSN_HOLD_H

#include "segment.h"

struct psn_hold {
    psn_segment *segment;
    psn_ref ref;   /* 0: the bytes are in memory from malloc */
    void *address;
    bool is_private; /* since a fork: parent's and child's writes stay their own */
    psn_hold *next, *previous; /* in segment->holds, under psn_process_lock */
};

/* From now on writes to the block are this process' alone. */
void psn_hold_make_private(psn_hold *hold);
/* Lets go of a block; the last to do so frees it. */
void psn_block_release(psn_segment *segment, uint32_t holder, psn_ref ref);

/* Where the block is in this process; PSN_CORRUPT when it is smaller than `size`. */
psn_status psn_block_address(psn_segment *segment, psn_ref ref, uint64_t size, void **address);

#endif
