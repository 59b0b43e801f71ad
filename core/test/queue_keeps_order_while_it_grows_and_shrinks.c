/* Description: a million messages wait in a queue at once, come out in order and intact, and the
 * memory that they took is given back. */
#include "harness.h"

#define MESSAGES UINT64_C(1000000)
#define KEPT_WARM (UINT64_C(9) << 20)

static size_t length_of(uint64_t number) {
    /* mostly small, now and then larger than a usual chunk */
    return sizeof(numbered) + (number % 1000 == 999 ? 100000 : number % 61);
}

int main(void) {
    begin(120);
    uint64_t count = under_sanitizer() ? MESSAGES / 20 : MESSAGES;
    psn_queue *queue;
    psn_memory memory;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    for (uint64_t number = 0; number < count; number++) {
        CHECK_STATUS(PSN_OK, put_number(queue, 7, number, length_of(number)));
    }
    CHECK_EQUAL(count, psn_queue_size(queue));
    psn_segment_memory(psn_queue_segment(queue), &memory);
    CHECK(memory.used_bytes > count * sizeof(numbered));
    for (uint64_t number = 0; number < count; number++) {
        CHECK_EQUAL(number, take_number(queue, NULL));
    }
    CHECK_EQUAL(0, psn_queue_size(queue));
    CHECK_EQUAL(count, psn_queue_taken_count(queue));
    psn_segment_memory(psn_queue_segment(queue), &memory);
    CHECK_EQUAL(1, memory.used_blocks);
    CHECK(memory.committed_bytes < memory.used_bytes + KEPT_WARM);
    uint64_t freed;
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(psn_queue_segment(queue), &freed));
    psn_segment_memory(psn_queue_segment(queue), &memory);
    CHECK_EQUAL(0, memory.warm_bytes);
    CHECK_EQUAL(1, memory.used_blocks);
    CHECK(memory.committed_bytes < memory.used_bytes + (1U << 20));
    psn_queue_detach(queue);
    CHECK_EQUAL(0, count_maps());
    return 0;
}
