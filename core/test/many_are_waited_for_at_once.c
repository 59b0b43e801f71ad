/* Description: of many queues, channels and descriptors those that are ready are found, at once or
 * asleep, an end of file included; a bell that a killed producer left ringing calls nothing ready. */

#include "harness.h"

#define EACH 40U /* of a kind: more than fit into the room that few need */

typedef struct {
    psn_queue *queues[EACH];
    psn_channel *near[EACH], *far[EACH];
    int pipes[EACH][2];
} world;

static world *make_world(void) {
    static world made;
    for (unsigned i = 0; i < EACH; i++) {
        CHECK_STATUS(PSN_OK, psn_queue_create(0, &made.queues[i]));
        CHECK_STATUS(PSN_OK, psn_channel_create(true, &made.near[i], &made.far[i]));
        CHECK(pipe(made.pipes[i]) == 0);
    }
    return &made;
}

/* Queues first, then channels, then descriptors. */
static void list(const world *all, psn_waitable *entries) {
    memset(entries, 0, 3 * EACH * sizeof *entries);
    for (unsigned i = 0; i < EACH; i++) {
        entries[i].queue = all->queues[i];
        entries[EACH + i].channel = all->near[i];
        entries[2 * EACH + i].fd = all->pipes[i][0];
    }
}

static psn_status wait_for(const world *all, psn_waitable *entries, uint64_t deadline) {
    psn_status status;
    do {
        list(all, entries);
        status = psn_wait_many(entries, 3 * EACH, deadline);
    } while (status == PSN_INTERRUPTED);
    return status;
}

static void expect_only(const world *all, unsigned which, uint64_t deadline) {
    psn_waitable entries[3 * EACH];
    CHECK_STATUS(PSN_OK, wait_for(all, entries, deadline));
    for (unsigned i = 0; i < 3 * EACH; i++) {
        CHECK_EQUAL(i == which, entries[i].ready);
    }
}

static void expect_none(const world *all, uint64_t deadline) {
    psn_waitable entries[3 * EACH];
    CHECK_STATUS(PSN_TIMEOUT, wait_for(all, entries, deadline));
    CHECK(psn_now() >= deadline);
}

static psn_status send_nothing(psn_channel *channel) {
    psn_message message = {.size = 0};
    return psn_channel_send(channel, &message, 0);
}

static void receive_nothing(psn_channel *channel) {
    psn_inbox inbox;
    psn_inbox_init(&inbox);
    CHECK_STATUS(PSN_OK, psn_channel_take(channel, 0, &inbox));
    psn_inbox_clear(&inbox);
}

static void put_later(void *context) {
    usleep(20000);
    CHECK_STATUS(PSN_OK, put_number(((world *)context)->queues[7], 1, 0, 100));
}

static void send_later(void *context) {
    usleep(20000);
    CHECK_STATUS(PSN_OK, send_nothing(((world *)context)->far[8]));
}

static void write_later(void *context) {
    usleep(20000);
    CHECK(write(((world *)context)->pipes[9][1], "x", 1) == 1);
}

/* Once before anything was ever waited for, and once with all bells watched. */
static void each_kind_is_found(world *all, bool asleep) {
    const uint64_t end = asleep ? in_future(20 * SECOND) : 0;
    pid_t pid = child(put_later, all);
    if (!asleep) {
        ends_well(pid);
    }
    expect_only(all, 7, end);
    CHECK_EQUAL(0, take_number(all->queues[7], NULL));
    pid_t second = child(send_later, all);
    if (!asleep) {
        ends_well(second);
    }
    expect_only(all, EACH + 8, end);
    receive_nothing(all->near[8]);
    pid_t third = child(write_later, all);
    if (!asleep) {
        ends_well(third);
    }
    expect_only(all, 2 * EACH + 9, end);
    char byte;
    CHECK(read(all->pipes[9][0], &byte, 1) == 1);
    if (asleep) {
        ends_well(pid);
        ends_well(second);
        ends_well(third);
    }
    expect_none(all, in_future(5 * MILLISECOND));
}

static void all_that_are_ready_are_told(world *all) {
    psn_waitable entries[3 * EACH];
    for (unsigned i = 0; i < EACH; i += 3) {
        CHECK_STATUS(PSN_OK, put_number(all->queues[i], 1, i, 100));
        CHECK_STATUS(PSN_OK, send_nothing(all->far[i]));
        CHECK(write(all->pipes[i][1], "x", 1) == 1);
    }
    CHECK_STATUS(PSN_OK, wait_for(all, entries, in_future(20 * SECOND)));
    for (unsigned i = 0; i < 3 * EACH; i++) {
        CHECK_EQUAL(i % EACH % 3 == 0, entries[i].ready);
    }
    for (unsigned i = 0; i < EACH; i += 3) {
        char byte;
        CHECK_EQUAL(i, take_number(all->queues[i], NULL));
        receive_nothing(all->near[i]);
        CHECK(read(all->pipes[i][0], &byte, 1) == 1);
    }
    expect_none(all, 0);
}

static void die_at_the_bell(void *context) {
    CHECK(psn_kill_point_arm("bell.rung", 1));
    put_number(((world *)context)->queues[3], 1, 0, 100);
}

static void a_bell_without_a_message_calls_nothing_ready(world *all) {
    int memory, doorbell;
    psn_queue_descriptors(all->queues[3], &memory, &doorbell);
    ends_killed(child(die_at_the_bell, all));
    CHECK(is_readable(doorbell));
    expect_none(all, in_future(20 * MILLISECOND));
    CHECK(!is_readable(doorbell)); /* or the next to wait would be woken by it again and again */
    CHECK_STATUS(PSN_OK, put_number(all->queues[3], 1, 5, 100));
    expect_only(all, 3, in_future(20 * SECOND));
    CHECK_EQUAL(5, take_number(all->queues[3], NULL));
}

static void the_end_of_a_channel_is_an_event(world *all) {
    psn_channel_close(all->far[20]);
    expect_only(all, EACH + 20, in_future(20 * SECOND));
    CHECK_STATUS(PSN_OK, put_number(all->queues[1], 1, 0, 100));
    psn_waitable entries[3 * EACH];
    CHECK_STATUS(PSN_OK, wait_for(all, entries, in_future(20 * SECOND)));
    CHECK(entries[1].ready); /* one that needs no system call does not hide the other */
    CHECK(entries[EACH + 20].ready);
}

static void what_is_known_to_be_ready_ends_the_wait(world *all) {
    psn_waitable entries[2] = {{.queue = all->queues[0], .ready = true},
                               {.queue = all->queues[1]}};
    CHECK_STATUS(PSN_OK, psn_wait_many(entries, 2, PSN_FOREVER));
    CHECK(entries[0].ready && entries[1].ready);
}

int main(void) {
    begin(60);
    world *all = make_world();
    each_kind_is_found(all, false);
    each_kind_is_found(all, true);
    each_kind_is_found(all, false);
    all_that_are_ready_are_told(all);
    a_bell_without_a_message_calls_nothing_ready(all);
    the_end_of_a_channel_is_an_event(all);
    what_is_known_to_be_ready_ends_the_wait(all);
    return 0;
}
