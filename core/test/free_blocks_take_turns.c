/* Description: free blocks are used again in turn; the turn grows to more than a processor's cache
 * while blocks come back at once from another processor, and stays short where nothing hurries;
 * a backlog's memory is given back when it has been read, also the second time; two large blocks
 * are none. */
#include "arena.h"
#include "harness.h"
#include "peer.h"
#include "segment.h"

#define SIZE (UINT64_C(64) << 10)
#define MEBIBYTE (UINT64_C(1) << 20)

static psn_segment *segment;

static uint64_t warm_before;

static void start_anew(void) {
    uint64_t freed;
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(segment, &freed));
    warm_before = memory_of(segment).warm_bytes;
}

/* Takes a block and gives it back as if another processor had done that at the time. */
static uint32_t use_one(uint64_t freed_at) {
    psn_ref ref;
    void *address;
    CHECK_STATUS(PSN_OK, psn_block_take(segment, SIZE, &ref, &address));
    psn_block_drop(segment, ref);
    psn_block *block = psn_segment_block(segment, (uint32_t)ref);
    block->freed_on = UINT32_MAX;
    block->freed_at = freed_at;
    return (uint32_t)ref;
}

static void turn_grows_while_blocks_are_hot(void) {
    start_anew();
    const uint64_t until = in_future(20 * SECOND);
    uint64_t warm;
    do {
        for (int i = 0; i < 1000; i++) {
            use_one(psn_now());
        }
        warm = memory_of(segment).warm_bytes - warm_before;
    } while (warm < 3 * MEBIBYTE && psn_now() < until);
    CHECK(warm >= 3 * MEBIBYTE && warm <= 4 * MEBIBYTE);
    uint32_t first = use_one(0);
    for (uint64_t i = 1; i < warm / SIZE; i++) {
        CHECK(use_one(0) != first);
    }
    CHECK_EQUAL(first, use_one(0));
}

static void turn_stays_short_where_nothing_hurries(void) {
    start_anew();
    for (int i = 0; i < 2000; i++) {
        use_one(psn_now() - SECOND);
    }
    CHECK_EQUAL(SIZE, memory_of(segment).warm_bytes - warm_before);
}

static void backlog_comes_and_goes(void) {
    enum { COUNT = 300 };
    static psn_ref refs[COUNT];
    void *address;
    for (int i = 0; i < COUNT; i++) {
        CHECK_STATUS(PSN_OK, psn_block_take(segment, MEBIBYTE, &refs[i], &address));
    }
    CHECK(memory_of(segment).committed_bytes > COUNT * MEBIBYTE);
    for (int i = 0; i < COUNT; i++) {
        psn_block_drop(segment, refs[i]);
    }
    CHECK(memory_of(segment).committed_bytes < MEBIBYTE);
}

/* Taken and given back without pages of their own: for what is decided, their number is enough. */
static void use_large(uint64_t size, int count) {
    psn_ref refs[16];
    for (int i = 0; i < count; i++) {
        bool fresh;
        CHECK_STATUS(PSN_OK, psn_arena_take(segment, size, psn_peer_slot(segment), &refs[i], &fresh));
        if (fresh) {
            psn_arena_ready(segment, refs[i]);
        }
    }
    for (int i = 0; i < count; i++) {
        psn_block_drop(segment, refs[i]);
    }
}

/* Two of 1 GiB are more bytes than a backlog of small ones, and no backlog. */
static void large_blocks_are_used_again(void) {
    const uint64_t large = 1024 * MEBIBYTE;
    start_anew();
    for (int round = 0; round < 4; round++) {
        use_large(large, 2);
    }
    CHECK(memory_of(segment).warm_bytes >= 2 * large);
    use_large(large, 12);
    CHECK(memory_of(segment).warm_bytes < large);
}

/* Where somebody always waits a backlog stays warm, until it has been left alone and one waits. */
static void paired_queues_stay_warm_until_quiet(void) {
    enum { COUNT = 300 };
    static psn_ref refs[COUNT];
    psn_queue *one, *other;
    psn_memory memory;
    void *address;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &one));
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &other));
    psn_queue_pair(one, other);
    segment = psn_queue_segment(other);
    for (int i = 0; i < COUNT; i++) {
        CHECK_STATUS(PSN_OK, psn_block_take(segment, MEBIBYTE, &refs[i], &address));
    }
    for (int i = 0; i < COUNT; i++) {
        psn_block_drop(segment, refs[i]);
    }
    CHECK(memory_of(segment).warm_bytes >= COUNT * MEBIBYTE);
    for (int i = 0; i < 8; i++) { /* used a moment ago: short waits take nothing away */
        CHECK_STATUS(PSN_TIMEOUT, psn_queue_wait_message(one, psn_now() + MILLISECOND));
    }
    psn_arena *arena = psn_segment_arena(segment);
    if (psn_now() - arena->touched_at < SECOND / 2) {
        CHECK(memory_of(segment).warm_bytes >= COUNT * MEBIBYTE);
    }
    arena->touched_at = psn_now() - SECOND;
    for (int i = 0; i < 4; i++) {
        CHECK_STATUS(PSN_TIMEOUT, psn_queue_wait_message(one, psn_now() + MILLISECOND));
    }
    CHECK(memory_of(segment).warm_bytes <= MEBIBYTE);
    psn_queue_detach(other); /* `one` still minds its memory */
    psn_segment_memory(psn_queue_segment(one), &memory);
    psn_queue_detach(one);
}

/* So does who waits for many at once. */
static void a_wait_for_many_cools(void) {
    psn_queue *queue;
    psn_ref ref;
    void *address;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    segment = psn_queue_segment(queue);
    CHECK_STATUS(PSN_OK, psn_block_take(segment, 8 * MEBIBYTE, &ref, &address));
    psn_block_drop(segment, ref);
    CHECK(memory_of(segment).warm_bytes >= 8 * MEBIBYTE);
    psn_segment_arena(segment)->touched_at = psn_now() - SECOND;
    psn_waitable entry = {.queue = queue, .fd = -1};
    for (int i = 0; i < 4; i++) {
        CHECK_STATUS(PSN_TIMEOUT, psn_wait_many(&entry, 1, psn_now() + MILLISECOND));
    }
    CHECK(memory_of(segment).warm_bytes <= MEBIBYTE);
    psn_queue_detach(queue);
}

int main(void) {
    begin(60);
    psn_queue *queue;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    segment = psn_queue_segment(queue);
    turn_grows_while_blocks_are_hot();
    turn_stays_short_where_nothing_hurries();
    for (int round = 0; round < 3; round++) {
        backlog_comes_and_goes();
    }
    large_blocks_are_used_again();
    psn_queue_detach(queue);
    paired_queues_stay_warm_until_quiet();
    a_wait_for_many_cools();
    return 0;
}
