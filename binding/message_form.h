/* How an object lies in a message: what the two directions of message_*.c share.
 *
 * Two bits of the message's kind say how:
 *   PSN_IN_BLOCK   the payload is not inline but the first slice
 *   PSN_WITH_TAIL  slices without a block lie behind the payload, in order, each on a multiple of
 *                  16; the payload's own size is in the first 16 bytes
 */
#ifndef PROCESSION_MESSAGE_FORM_H
#define PROCESSION_MESSAGE_FORM_H

#include "binding.h"

#define PSN_IN_BLOCK 0x8000U
#define PSN_WITH_TAIL 0x4000U
#define PSN_KIND_MASK 0x3fffU
#define PSN_TAIL_ALIGN 16U

static inline size_t
psn_tail_aligned(size_t size)
{
    return (size + PSN_TAIL_ALIGN - 1) / PSN_TAIL_ALIGN * PSN_TAIL_ALIGN;
}

#endif
