/* Putting, taking and looking, with what is told and checked at each step. */
#include "queue_steps.h"

#include <poll.h>

#include "segment.h"

psn_queue *queue;
bool is_watched;

void run_with_queue(uint64_t max_items, bool watched, const scenario *scenarios, size_t count,
                    const char *const *elsewhere) {
    CHECK_STATUS(PSN_OK, psn_queue_create(max_items, &queue));
    is_watched = watched;
    if (watched) {
        CHECK_STATUS(PSN_OK, psn_queue_watch(queue));
    }
    kill_everywhere(scenarios, count, repeat(2), elsewhere);
    psn_queue_detach(queue);
}

/* ---- victims ---- */

void put_single(progress *told, size_t length) {
    told->put_started = told->put_finished + 1;
    CHECK_STATUS(PSN_OK, put_number(queue, 1, told->put_finished, length));
    told->put_finished++;
}

void put_with_block(progress *told, size_t length) {
    told->put_started = told->put_finished + 1;
    CHECK_STATUS(PSN_OK, put_block(queue, 1, told->put_finished, length));
    told->put_finished++;
}

void put_batch(progress *told, size_t count, size_t length) {
    char *payloads = calloc(count, length);
    psn_message messages[BURST] = {{0}};
    for (size_t i = 0; i < count; i++) {
        number_fill(payloads + i * length, length, 1, told->put_finished + i);
        messages[i].data = payloads + i * length;
        messages[i].size = (uint32_t)length;
    }
    told->put_started = told->put_finished + count;
    for (size_t put = 0; put < count;) {
        size_t done;
        uint64_t first;
        psn_status status = psn_queue_put(queue, messages + put, count - put, 0, &done, &first);
        put += done;
        told->put_finished += done;
        if (status == PSN_FULL) {
            CHECK_STATUS(PSN_OK, psn_queue_wait_room(queue, in_future(20 * SECOND)));
        }
    }
    free(payloads);
}

void take_some(progress *told, size_t max) {
    psn_inbox inbox;
    psn_message message;
    size_t cursor = 0;
    psn_inbox_init(&inbox);
    psn_status status = psn_queue_take(queue, max, 0, CLAIM, &inbox);
    if (status == PSN_EMPTY) {
        CHECK_STATUS(PSN_OK, psn_queue_wait_message(queue, in_future(20 * SECOND)));
        return;
    }
    CHECK_STATUS(PSN_OK, status);
    while (psn_inbox_next(&inbox, &cursor, &message)) {
        const numbered *got = number_check(message.data, message.size);
        CHECK_EQUAL(told->take_finished, got->number);
        told->take_finished++;
        check_blocks(psn_queue_segment(queue), &message, got->number);
    }
    psn_inbox_clear(&inbox);
}

/* ---- survivors ---- */

void prepare_queue(void) {
    psn_queue_clear_claim(queue, CLAIM);
    CHECK_EQUAL(0, psn_queue_size(queue));
}

/* As an event loop does: looks only when the descriptor says that there is something. */
void wait_for_message(void) {
    int memory_fd, doorbell;
    if (!is_watched) {
        CHECK_STATUS(PSN_OK, psn_queue_wait_message(queue, in_future(20 * SECOND)));
        return;
    }
    psn_queue_descriptors(queue, &memory_fd, &doorbell);
    struct pollfd entry = {.fd = doorbell, .events = POLLIN};
    CHECK_EQUAL(1, poll(&entry, 1, 20000));
}

void check_memory(void) {
    psn_segment *segment = psn_queue_segment(queue);
    psn_memory memory;
    uint64_t freed;
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(segment, &freed));
    psn_segment_memory(segment, &memory);
    CHECK_EQUAL(chunks_in_chains(segment), memory.used_blocks);
    CHECK_EQUAL(0, memory.warm_bytes);
    CHECK(memory.peers <= 1);
    CHECK(memory.committed_bytes < memory.used_bytes + (2U << 20));
}

void check_usable(void) {
    for (uint64_t number = 0; number < 30; number++) {
        size_t length = number % 10 == 3 ? 50000 : 100;
        CHECK_STATUS(PSN_OK, number % 7 == 1 ? put_block(queue, 2, number, 50000)
                                             : put_number(queue, 2, number, length));
        CHECK_EQUAL(number, take_number(queue, NULL));
    }
    CHECK_EQUAL(0, psn_queue_size(queue));
}

void check_bell(void) {
    int memory_fd, doorbell;
    psn_inbox inbox;
    psn_queue_descriptors(queue, &memory_fd, &doorbell);
    psn_inbox_init(&inbox);
    CHECK_STATUS(PSN_EMPTY, psn_queue_take(queue, 1, 0, -1, &inbox));
    CHECK(!is_readable(doorbell));
    CHECK_STATUS(PSN_OK, put_number(queue, 4, 0, 50));
    CHECK(is_readable(doorbell));
    take_number(queue, NULL);
    CHECK(!is_readable(doorbell));
}
