/* Description: 4 producers with 4 consumers, and 16 with 16, each a process, share one queue:
 * every message arrives once, and each consumer sees each producer's messages in order. */
#include "harness.h"

typedef struct {
    psn_queue *queue;
    uint32_t producers, self, messages;
    unsigned char *seen; /* [producer * messages + number]: how often it was taken */
} job;

static void produce(void *context) {
    const job *mine = context;
    for (uint64_t number = 0; number < mine->messages; number++) {
        size_t length = sizeof(numbered) + number * 7 % 3000;
        psn_status status = number % 50 == 0
                                ? put_block(mine->queue, mine->self, number, 70000)
                                : put_number(mine->queue, mine->self, number, length);
        CHECK_STATUS(PSN_OK, status);
    }
}

static void consume(void *context) {
    const job *mine = context;
    uint64_t next[64] = {0};
    uint32_t producer;
    for (;;) {
        uint64_t number = take_number(mine->queue, &producer);
        if (producer == UINT32_MAX) {
            return;
        }
        CHECK(number >= next[producer]);
        next[producer] = number + 1;
        __atomic_fetch_add(&mine->seen[producer * mine->messages + number], 1, __ATOMIC_RELAXED);
    }
}

static void run(uint32_t each, uint32_t messages, uint64_t max_items) {
    psn_queue *queue;
    CHECK_STATUS(PSN_OK, psn_queue_create(max_items, &queue));
    unsigned char *seen = shared_memory((size_t)each * messages);
    pid_t producers[64], consumers[64];
    job jobs[64];
    for (uint32_t i = 0; i < each; i++) {
        jobs[i] = (job){queue, each, i, messages, seen};
        consumers[i] = child(consume, &jobs[i]);
        producers[i] = child(produce, &jobs[i]);
    }
    for (uint32_t i = 0; i < each; i++) {
        ends_well(producers[i]);
    }
    for (uint32_t i = 0; i < each; i++) {
        CHECK_STATUS(PSN_OK, put_number(queue, UINT32_MAX, 0, sizeof(numbered)));
    }
    for (uint32_t i = 0; i < each; i++) {
        ends_well(consumers[i]);
    }
    for (size_t i = 0; i < (size_t)each * messages; i++) {
        CHECK_EQUAL(1, seen[i]);
    }
    CHECK_EQUAL(0, psn_queue_size(queue));
    uint64_t freed;
    psn_memory memory;
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(psn_queue_segment(queue), &freed));
    psn_segment_memory(psn_queue_segment(queue), &memory);
    CHECK_EQUAL(1, memory.used_blocks);
    psn_queue_detach(queue);
}

int main(void) {
    begin(120);
    uint32_t scale = under_sanitizer() ? 10 : 1;
    run(4, 20000 / scale, 0);
    run(4, 10000 / scale, 10);
    run(16, 2000 / scale, 0);
    run(16, 1000 / scale, 3);
    return 0;
}
