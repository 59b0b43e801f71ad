/* Every structure that lives in shared memory, and where it lies.
 *
 *   0        psn_header | psn_arena                  first page
 *   1 page   psn_lane[2]                             second page
 *   2 pages  psn_claim[256] for lane 0               third page, touched only by pools
 *   ...      psn_peer[256]                           who holds blocks
 *   ...      psn_block[4096]                         what the blocks are
 *   control_size: the blocks' own bytes, one after the other, without end
 *
 * The file is sparse: what is never touched costs nothing. Nothing in here is a pointer; blocks
 * are named by index and generation, places in a block by offset.
 *
 * What is truth and what is only remembered for speed:
 *   truth     header; a lane's commit words (puts, gets) and the position that each names; a
 *             block's phase and generation, seq and lane; a peer's holds
 *   memory    free lists, warm_bytes, counters of bytes and buffers: rebuilt from the truth after
 *             a death
 */
#ifndef PSN_LAYOUT_H
#define PSN_LAYOUT_H

#include "event.h"
#include "mutex.h"

#define PSN_MAGIC UINT64_C(0x6e6f697373636f72) /* "rocssion" in memory */
#define PSN_LAYOUT_VERSION 3U

#define PSN_BLOCKS 4096U
#define PSN_PEERS 256U
#define PSN_HOLD_WORDS (PSN_BLOCKS / 64)
#define PSN_LANES 2U
#define PSN_SIZE_CLASSES 128U

typedef enum {
    PSN_SEGMENT_QUEUE = 1,
    PSN_SEGMENT_CHANNEL = 2,
    PSN_SEGMENT_CELLS = 3 /* of locks and their kin; laid out in cells.h */
} psn_segment_kind;

/* Never changes after the segment is made. */
typedef struct {
    uint64_t magic;
    uint32_t layout_version;
    uint32_t kind;
    uint64_t control_size;
    uint32_t page_size;
    uint32_t mutex_size; /* another C library may lay a lock out in another way */
    uint32_t block_limit, peer_limit, lane_count, reserved;
    uint64_t checksum; /* of the fields before it */
} psn_header;

/* ---- arena: under its lock but for the fields marked atomic ---- */

typedef enum {
    PSN_BLOCK_NONE = 0,  /* entry never used */
    PSN_BLOCK_COLD,      /* free, without pages */
    PSN_BLOCK_WARM,      /* free, with pages */
    PSN_BLOCK_PREPARING, /* its pages are being got by its holder */
    PSN_BLOCK_USED
} psn_block_phase;

enum {
    PSN_BLOCK_IS_CHUNK = 1, /* part of a lane's chain: the chain says whether it is in use */
    PSN_BLOCK_INHERITED = 2, /* a fork copied a hold on it: look at all peers before freeing */
    PSN_BLOCK_PINNED = 4     /* a fork copied it to a child that got no slot: never free it */
};

#define PSN_SEQ_NONE UINT64_MAX

typedef struct {
    psn_atomic64 state;   /* generation << 32 | phase; changed under the arena's lock */
    uint64_t offset;      /* in the file; new with each generation that needs other pages */
    uint64_t capacity;    /* bytes, whole pages */
    psn_atomic64 seq;     /* index of the message that carries it; in flight while the lane's
                             gets <= seq < puts */
    psn_atomic32 flags;
    uint32_t lane;
    uint32_t next_free;   /* index; memory, not truth */
    psn_atomic32 next_chunk; /* in a lane's chain: the chunk that follows */
    uint64_t freed_at;    /* psn_now when it was last given back */
    uint32_t freed_on;    /* processor + 1 that it was given back on; memory, as the time is */
    uint32_t reserved;
} psn_block;
static_assert(sizeof(psn_block) == 64, "one cache line a block");

/* Warm blocks of one size, the one that was given back first in front. */
typedef struct {
    uint32_t first, last; /* indices; 0 = empty */
    uint32_t count;
    uint32_t hot_takes; /* how often one was used again too soon: see warmth.c */
} psn_warm_list;

typedef struct {
    psn_mutex lock;
    psn_atomic64 file_end;       /* next free byte of the file */
    uint32_t block_count;        /* entries ever used; entry 0 stays unused */
    uint32_t cold_list;          /* head, 0 = empty */
    uint64_t warm_bytes;
    /* How much may stay warm follows the demand: see warmth.c. */
    uint64_t keep_bytes;         /* the demand's share, on top of the base */
    uint64_t demand_at;          /* psn_now when a block was last taken that was or had been warm */
    uint64_t cooled_at;          /* psn_now when one was last given back for want of room */
    uint64_t taken_since_freed;  /* bytes of buffers in a row */
    uint64_t freed_since_taken;
    psn_atomic64 recoveries;     /* abandoned locks seen, all locks of the segment */
    psn_atomic32 suspect;        /* a lock was found abandoned: somebody died, reclaim */
    uint32_t peer_count;         /* slots ever used */
    uint32_t buffer_count;       /* blocks in use that are not chunks; memory, not truth */
    psn_atomic32 stays_warm;     /* 1: somebody always waits, and cools it; see warmth.c. Never back */
    uint64_t touched_at;         /* psn_now when a buffer was last taken or given back */
    psn_warm_list warm_lists[PSN_SIZE_CLASSES];
} psn_arena;

/* ---- peers ---- */

typedef enum { PSN_PEER_FREE = 0, PSN_PEER_HEIR = 1, PSN_PEER_LIVE = 2 } psn_peer_phase;

typedef struct {
    psn_atomic32 phase; /* changed under the arena's lock, HEIR -> LIVE by the heir itself */
    uint32_t since;     /* seconds of psn_now when the slot was taken */
    psn_os_identity parent;   /* of an heir; it counts until the heir has put in its own */
    psn_os_identity identity;
    psn_atomic64 holds[PSN_HOLD_WORDS]; /* bit i: this peer holds block i; set and cleared by it */
} psn_peer;

/* ---- lanes ---- */

/* A commit word: number of messages << 1 | which of the two positions is the valid one. A change
 * is prepared in the other position and takes place with the one store of the word. */
static inline uint64_t psn_commit_count(uint64_t word) {
    return word >> 1;
}
static inline uint32_t psn_commit_slot(uint64_t word) {
    return (uint32_t)(word & 1);
}
static inline uint64_t psn_commit_next(uint64_t word, uint64_t more) {
    return (psn_commit_count(word) + more) << 1 | (psn_commit_slot(word) ^ 1U);
}

typedef struct {
    uint32_t chunk;  /* index of a block */
    uint32_t offset; /* in it */
    uint64_t bytes;  /* of messages and their blocks before this place, ever */
} psn_position;

typedef struct {
    psn_atomic64 first, count;
} psn_claim;

/* What is known about the doorbell's descriptor. */
typedef enum { PSN_BELL_SILENT = 0, PSN_BELL_RUNG, PSN_BELL_UNSURE } psn_bell_state;

typedef struct {
    /* Producers, under put_lock; put_at[slot of puts] is where the next message goes. */
    PSN_ALIGNED psn_mutex put_lock;
    psn_position put_at[2];
    psn_ref put_spare; /* a chunk taken and not yet linked, or 0 */
    psn_atomic64 bytes_in;
    PSN_ALIGNED psn_atomic64 puts; /* commit word; release -> acquired by takers */

    /* Consumers, under get_lock; get_at[slot of gets] is where the oldest message lies. */
    PSN_ALIGNED psn_mutex get_lock;
    psn_position get_at[2];
    psn_ref trail;  /* oldest chunk of the chain; the chunk of get_at, or before it */
    psn_ref doomed; /* a chunk on its way from the chain to the free list, or 0 */
    uint32_t claiming; /* claim + 1 that announces a take which is not committed yet, or 0 */
    psn_atomic64 bytes_out;
    PSN_ALIGNED psn_atomic64 gets; /* commit word; release -> acquired by putters */

    PSN_ALIGNED psn_event has_message;
    psn_atomic32 producer_cpu; /* where the last put ran; +1, 0 = never */
    psn_atomic64 spinner;      /* until when a consumer promises to look without sleeping, or 0 */
    PSN_ALIGNED psn_event has_room;
    psn_atomic32 consumer_cpu;
    psn_atomic32 closes; /* how often an end that takes from here was closed on purpose */

    PSN_ALIGNED psn_event all_done;
    psn_atomic64 done; /* messages reported done */
    /* Limits, fixed at creation; 0 = none. */
    uint64_t max_items, max_bytes;

    /* The doorbell, from the first psn_*_watch on. Under put_lock. */
    psn_atomic32 watched; /* 0 or 1, never back */
    psn_atomic32 rung;    /* a psn_bell_state */
} psn_lane;

#define PSN_LANES_AT 4096U
#define PSN_CLAIMS_AT (PSN_LANES_AT + 4096U)
#define PSN_PEERS_AT (PSN_CLAIMS_AT + PSN_CLAIMS * (uint32_t)sizeof(psn_claim))
#define PSN_BLOCKS_AT \
    PSN_ROUND_UP(PSN_PEERS_AT + PSN_PEERS * (uint32_t)sizeof(psn_peer), 4096U)
#define PSN_CONTROL_SIZE \
    PSN_ROUND_UP(PSN_BLOCKS_AT + PSN_BLOCKS * (uint32_t)sizeof(psn_block), 65536U)

typedef struct {
    psn_header header;
    PSN_ALIGNED psn_arena arena;
} psn_first_page;

static_assert(sizeof(psn_first_page) <= PSN_LANES_AT, "header and arena share a page");
static_assert(sizeof(psn_lane) * PSN_LANES <= 4096, "the lanes share a page");

/* ---- a message in a chunk ---- */

#define PSN_RECORD_JUMP UINT32_C(0xffffffff)
#define PSN_RECORD_ALIGN 16U

typedef struct {
    uint32_t size; /* of the payload; PSN_RECORD_JUMP: the chain goes on in chunk `next` */
    uint16_t kind;
    uint16_t slice_count;
    uint64_t next; /* psn_ref, jumps only */
    /* psn_slice[slice_count], payload, padding to PSN_RECORD_ALIGN */
} psn_record;
static_assert(sizeof(psn_record) == 16, "no padding");
static_assert(sizeof(psn_slice) == 16, "no padding");

static inline uint64_t psn_record_length(uint32_t size, uint32_t slices) {
    return PSN_ROUND_UP(sizeof(psn_record) + slices * sizeof(psn_slice) + (uint64_t)size,
                        (uint64_t)PSN_RECORD_ALIGN);
}

static inline psn_ref psn_ref_make(uint32_t generation, uint32_t index) {
    return (uint64_t)generation << 32 | index;
}
static inline uint32_t psn_ref_index(psn_ref ref) {
    return (uint32_t)ref;
}
static inline uint32_t psn_ref_generation(psn_ref ref) {
    return (uint32_t)(ref >> 32);
}

#endif
