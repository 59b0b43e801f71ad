/* Description: the threads of one process put, take, watch, fork and close around each other, on
 * one queue and one channel; for ThreadSanitizer above all. */
#include <pthread.h>

#include "harness.h"

#define THREADS 4

static psn_queue *queue;
static psn_channel *one, *two;
static uint64_t each;
static uint64_t sums[2]; /* of numbers put and taken */

static void *produce(void *unused) {
    (void)unused;
    for (uint64_t i = 1; i <= each; i++) {
        psn_status status =
            i % 10 == 0 ? put_block(queue, 1, i, 40000) : put_number(queue, 1, i, 100 + i % 2000);
        CHECK_STATUS(PSN_OK, status);
        __atomic_fetch_add(&sums[0], i, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void *consume(void *unused) {
    (void)unused;
    for (uint64_t i = 0; i < each; i++) {
        __atomic_fetch_add(&sums[1], take_number(queue, NULL), __ATOMIC_RELAXED);
    }
    return NULL;
}

static void *send_all(void *unused) {
    (void)unused;
    for (uint64_t i = 0; i < each; i++) {
        _Alignas(8) char payload[200];
        number_fill(payload, sizeof payload, 1, i);
        psn_message message = {.size = sizeof payload, .data = payload};
        psn_status status;
        while ((status = psn_channel_send(one, &message, 0)) == PSN_FULL) {
            CHECK_STATUS(PSN_OK, psn_channel_wait_room(one, in_future(20 * SECOND)));
        }
        CHECK_STATUS(PSN_OK, status);
    }
    return NULL;
}

static void *receive_all(void *unused) {
    (void)unused;
    for (uint64_t i = 0; i < each;) {
        psn_inbox inbox;
        psn_message message;
        size_t cursor = 0;
        psn_inbox_init(&inbox);
        psn_status status = psn_channel_take(two, 0, &inbox);
        if (status == PSN_OK) {
            CHECK(psn_inbox_next(&inbox, &cursor, &message));
            number_check(message.data, message.size);
            i++;
        } else {
            CHECK_STATUS(PSN_EMPTY, status);
            CHECK_STATUS(PSN_OK, psn_channel_wait_message(two, in_future(20 * SECOND)));
        }
        psn_inbox_clear(&inbox);
    }
    return NULL;
}

static void put_one(void *unused) {
    (void)unused;
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 0, 40000));
}

static void *fork_now_and_then(void *unused) {
    (void)unused;
    for (int i = 0; i < 5; i++) {
        ends_well(child(put_one, NULL));
        CHECK_EQUAL(0, take_number(queue, NULL) * 0);
    }
    return NULL;
}

static void *look(void *unused) {
    psn_memory memory;
    uint64_t freed;
    (void)unused;
    for (int i = 0; i < 20; i++) {
        psn_segment_memory(psn_queue_segment(queue), &memory);
        CHECK_STATUS(PSN_OK, psn_segment_reclaim(psn_queue_segment(queue), &freed));
        if (i == 10) {
            CHECK_STATUS(PSN_OK, psn_queue_watch(queue));
            CHECK_STATUS(PSN_OK, psn_channel_watch(two));
        }
        usleep(500);
    }
    return NULL;
}

static void run_threads(void *(*const bodies[])(void *), size_t count) {
    pthread_t threads[16];
    for (size_t i = 0; i < count; i++) {
        CHECK_EQUAL(0, pthread_create(&threads[i], NULL, bodies[i], NULL));
    }
    for (size_t i = 0; i < count; i++) {
        CHECK_EQUAL(0, pthread_join(threads[i], NULL));
    }
}

int main(void) {
    begin(120);
    each = under_sanitizer() ? 500 : 10000;
    CHECK_STATUS(PSN_OK, psn_queue_create(20, &queue));
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &one, &two));
    void *(*const busy[])(void *) = {produce,  produce,  produce,     consume,
                                     consume,  consume,  send_all,    receive_all,
                                     send_all, receive_all, look};
    run_threads(busy, sizeof busy / sizeof *busy);
    CHECK_EQUAL(sums[0], sums[1]);
    CHECK_EQUAL(0, psn_queue_size(queue));
    void *(*const forking[])(void *) = {fork_now_and_then, look};
    run_threads(forking, 2);
    psn_queue_detach(queue);
    psn_channel_close(one);
    psn_channel_close(two);
    CHECK_EQUAL(0, count_maps());
    return 0;
}
