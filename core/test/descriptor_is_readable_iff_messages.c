/* Description: a watched queue's descriptor is readable if and only if there are messages: put
 * before or after the watch, by this or another process, and while many put and take at once. */
#include <poll.h>

#include "harness.h"

static int doorbell_of(psn_queue *queue) {
    int memory_fd, doorbell;
    psn_queue_descriptors(queue, &memory_fd, &doorbell);
    return doorbell;
}

static void put_ten(void *context) {
    for (uint64_t i = 0; i < 10; i++) {
        CHECK_STATUS(PSN_OK, put_number(context, 1, i, 100));
    }
}

static void watch(void *context) {
    CHECK_STATUS(PSN_OK, psn_queue_watch(context));
}

static void in_peace(void) {
    psn_queue *queue;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    int fd = doorbell_of(queue);
    ends_well(child(put_ten, queue));
    CHECK(!is_readable(fd)); /* nobody watches */
    ends_well(child(watch, queue));
    CHECK(is_readable(fd));
    CHECK_STATUS(PSN_OK, psn_queue_watch(queue)); /* a second time changes nothing */
    for (uint64_t i = 0; i < 10; i++) {
        CHECK(is_readable(fd));
        CHECK_EQUAL(i, take_number(queue, NULL));
    }
    CHECK(!is_readable(fd));
    ends_well(child(put_ten, queue));
    CHECK(is_readable(fd));
    psn_queue_detach(queue);
}

typedef struct {
    psn_queue *queue;
    uint64_t each, *taken;
} race;

static void produce(void *context) {
    const race *mine = context;
    for (uint64_t i = 0; i < mine->each; i++) {
        CHECK_STATUS(PSN_OK, put_number(mine->queue, 1, i, 64));
        if (i % 50 == 0) {
            usleep(100);
        }
    }
}

/* Sleeps on the descriptor alone, as an event loop does. */
static void consume(void *context) {
    const race *mine = context;
    psn_inbox inbox;
    psn_inbox_init(&inbox);
    struct pollfd entry = {.fd = doorbell_of(mine->queue), .events = POLLIN};
    while (__atomic_load_n(mine->taken, __ATOMIC_ACQUIRE) < 2 * mine->each) {
        if (poll(&entry, 1, 200) == 0) {
            if (psn_queue_size(mine->queue) != 0 && poll(&entry, 1, 0) == 0) {
                FAIL("there is a message, and the descriptor is not readable");
            }
            continue;
        }
        psn_inbox_clear(&inbox);
        if (psn_queue_take(mine->queue, 3, 0, -1, &inbox) == PSN_OK) {
            __atomic_fetch_add(mine->taken, inbox.count, __ATOMIC_ACQ_REL);
        }
    }
    psn_inbox_clear(&inbox);
}

static void in_a_race(void) {
    race mine = {.each = under_sanitizer() ? 2000 : 20000, .taken = shared_memory(sizeof(uint64_t))};
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &mine.queue));
    CHECK_STATUS(PSN_OK, psn_queue_watch(mine.queue));
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = child(i < 2 ? produce : consume, &mine);
    }
    for (int i = 0; i < 4; i++) {
        ends_well(pids[i]);
    }
    int fd = doorbell_of(mine.queue);
    psn_inbox inbox;
    psn_inbox_init(&inbox);
    CHECK_STATUS(PSN_EMPTY, psn_queue_take(mine.queue, 1, 0, -1, &inbox));
    CHECK(!is_readable(fd));
    psn_queue_detach(mine.queue);
}

int main(void) {
    begin(60);
    in_peace();
    in_a_race();
    return 0;
}
