/* Description: a lane whose backlog comes and goes uses chunks again, whatever size it would have
 * chosen, and needs no fresh pages; what a single backlog needed is not kept. */
#include "arena.h"
#include "harness.h"
#include "segment.h"

#define SIZE 1000U
#define MEBIBYTE (UINT64_C(1) << 20)

static psn_queue *queue;
static psn_segment *segment;

static void send_backlog(uint64_t bytes) {
    for (uint64_t number = 0; number < bytes / SIZE; number++) {
        CHECK_STATUS(PSN_OK, put_number(queue, 1, number, SIZE));
    }
}

static void take_backlog(uint64_t bytes) {
    uint32_t producer;
    for (uint64_t number = 0; number < bytes / SIZE; number++) {
        CHECK_EQUAL(number, take_number(queue, &producer));
    }
}

static uint64_t end_of_file(void) {
    return psn_load_relaxed64(&psn_segment_arena(segment)->file_end);
}

static void come_and_go(int rounds) {
    for (int round = 0; round < rounds; round++) {
        uint64_t bytes = (uint64_t)(round % 5 + 1) * MEBIBYTE;
        send_backlog(bytes);
        take_backlog(bytes);
    }
}

/* A block that is hot on another processor may be left for a fresh one, now and then: when this
 * process was moved to another one in between. */
static void backlog_that_comes_and_goes_needs_nothing_fresh(void) {
    come_and_go(10);
    uint64_t before = end_of_file();
    come_and_go(100);
    CHECK(end_of_file() - before <= 4 * MEBIBYTE);
    CHECK(memory_of(segment).warm_bytes <= 16 * MEBIBYTE);
}

static void single_backlog_is_not_kept(void) {
    send_backlog(200 * MEBIBYTE);
    CHECK(memory_of(segment).committed_bytes > 200 * MEBIBYTE);
    take_backlog(200 * MEBIBYTE);
    CHECK(memory_of(segment).warm_bytes <= 16 * MEBIBYTE);
    /* With the chunk that is being written. */
    CHECK(memory_of(segment).committed_bytes <= 40 * MEBIBYTE);
}

static void repeated_backlog_is_kept_for_a_while(void) {
    for (int round = 0; round < 8; round++) {
        send_backlog(24 * MEBIBYTE);
        take_backlog(24 * MEBIBYTE);
    }
    CHECK(memory_of(segment).warm_bytes >= 16 * MEBIBYTE);
    CHECK(memory_of(segment).warm_bytes <= 64 * MEBIBYTE);
    uint64_t before = end_of_file();
    send_backlog(24 * MEBIBYTE);
    take_backlog(24 * MEBIBYTE);
    CHECK(end_of_file() - before <= 8 * MEBIBYTE);
    psn_segment_arena(segment)->touched_at = psn_now() - SECOND;
    for (int i = 0; i < 4; i++) {
        CHECK_STATUS(PSN_TIMEOUT, psn_queue_wait_message(queue, psn_now() + MILLISECOND));
    }
    CHECK(memory_of(segment).warm_bytes <= MEBIBYTE);
}

int main(void) {
    begin(120);
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    segment = psn_queue_segment(queue);
    backlog_that_comes_and_goes_needs_nothing_fresh();
    single_backlog_is_not_kept();
    repeated_backlog_is_kept_for_a_while();
    psn_queue_detach(queue);
    return 0;
}
