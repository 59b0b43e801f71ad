/* Description: a bounded queue blocks and times out, a put wakes a waiting consumer and a take a
 * waiting producer, batches go in as far as there is room, claims are announced, reports of done
 * are counted, and a signal interrupts each wait. */
#include <signal.h>

#include "harness.h"
#include "segment.h"

static void put(psn_queue *queue, const char *text) {
    CHECK_STATUS(PSN_OK, put_bytes(queue, text, strlen(text), PSN_FOREVER));
}

static size_t take_many(psn_queue *queue, size_t max, int claim) {
    psn_inbox inbox;
    psn_inbox_init(&inbox);
    psn_status status = psn_queue_take(queue, max, 0, claim, &inbox);
    size_t count = inbox.count;
    CHECK_STATUS(count > 0 ? PSN_OK : PSN_EMPTY, status);
    psn_inbox_clear(&inbox);
    return count;
}

static void limit_is_kept(void) {
    psn_queue *queue;
    CHECK_STATUS(PSN_OK, psn_queue_create(3, &queue));
    CHECK_EQUAL(3, psn_queue_max_items(queue));
    psn_message batch[5];
    for (size_t i = 0; i < 5; i++) {
        batch[i] = (psn_message){.size = 1, .data = "abcde" + i};
    }
    size_t done;
    uint64_t first;
    CHECK_STATUS(PSN_FULL, psn_queue_put(queue, batch, 5, 0, &done, &first));
    CHECK_EQUAL(3, done);
    CHECK_EQUAL(0, first);
    uint64_t start = psn_now();
    CHECK_STATUS(PSN_TIMEOUT, psn_queue_wait_room(queue, in_future(30 * MILLISECOND)));
    CHECK(psn_now() - start >= 30 * MILLISECOND);
    CHECK_EQUAL(1, take_many(queue, 1, -1));
    CHECK_STATUS(PSN_OK, psn_queue_wait_room(queue, 0));
    CHECK_STATUS(PSN_FULL, psn_queue_put(queue, batch + 3, 2, 0, &done, &first));
    CHECK_EQUAL(1, done);
    CHECK_EQUAL(3, first);
    CHECK_EQUAL(3, take_many(queue, 100, -1));
    CHECK_EQUAL(0, take_many(queue, 100, -1));
    start = psn_now();
    CHECK_STATUS(PSN_TIMEOUT, psn_queue_wait_message(queue, in_future(30 * MILLISECOND)));
    CHECK(psn_now() - start >= 30 * MILLISECOND);
    psn_queue_detach(queue);
}

static void wait_for_one(void *context) {
    psn_inbox inbox;
    psn_message message;
    psn_inbox_init(&inbox);
    CHECK_STATUS(PSN_OK, take_one(context, &inbox, &message, in_future(20 * SECOND)));
    psn_inbox_clear(&inbox);
}

static void put_one_more(void *context) {
    put(context, "more");
}

static void waiters_are_woken(void) {
    psn_queue *queue;
    pid_t pids[6];
    CHECK_STATUS(PSN_OK, psn_queue_create(6, &queue));
    for (int i = 0; i < 6; i++) {
        pids[i] = child(wait_for_one, queue);
    }
    usleep(30000);
    for (int i = 0; i < 6; i++) {
        put(queue, "wake up");
    }
    for (int i = 0; i < 6; i++) {
        ends_well(pids[i]);
    }
    for (int i = 0; i < 6; i++) {
        put(queue, "full");
    }
    for (int i = 0; i < 6; i++) {
        pids[i] = child(put_one_more, queue);
    }
    usleep(30000);
    CHECK_EQUAL(6, psn_queue_size(queue));
    CHECK_EQUAL(6, take_many(queue, 6, -1));
    for (int i = 0; i < 6; i++) {
        ends_well(pids[i]);
    }
    CHECK_EQUAL(6, psn_queue_size(queue));
    psn_queue_detach(queue);
}

static uint64_t sleepers_of(const psn_lane *lane) {
    return psn_load_relaxed64(&lane->has_message.word) & UINT32_MAX;
}

static void sleep_until_registered(const psn_lane *lane, uint64_t sleepers) {
    while (sleepers_of(lane) != sleepers) {
        usleep(1000);
    }
}

/* A promise to spin takes the place of one wake, once; if it is not kept, a sleeper finds the
 * message when it looks by itself. */
static void promises_are_claimed_once(void) {
    psn_queue *queue;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    psn_lane *lane = psn_segment_lane(psn_queue_segment(queue), 0);
    pid_t pids[2] = {child(wait_for_one, queue), child(wait_for_one, queue)};
    sleep_until_registered(lane, 2);
    uint64_t wakes = psn_load_relaxed64(&lane->has_message.word) >> 32;
    psn_store_relaxed64(&lane->spinner, in_future(20 * SECOND));
    put(queue, "promised");
    CHECK_EQUAL(0, psn_load_relaxed64(&lane->spinner));
    CHECK_EQUAL(wakes, psn_load_relaxed64(&lane->has_message.word) >> 32);
    put(queue, "woken");
    ends_well(pids[0]);
    ends_well(pids[1]);
    uint64_t before = sleepers_of(lane); /* nobody sleeps, but the number may be too high */
    pids[0] = child(wait_for_one, queue);
    sleep_until_registered(lane, before + 1);
    uint64_t over = psn_now();
    psn_store_relaxed64(&lane->spinner, over);
    put(queue, "woken, as that promise is over");
    CHECK_EQUAL(over, psn_load_relaxed64(&lane->spinner));
    ends_well(pids[0]);
    psn_queue_detach(queue);
}

static void claims_are_announced(void) {
    psn_queue *queue;
    uint64_t first, count;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    for (int i = 0; i < 10; i++) {
        put(queue, "task");
    }
    CHECK_EQUAL(4, take_many(queue, 4, 200));
    CHECK_EQUAL(3, take_many(queue, 3, 7));
    psn_queue_claimed(queue, 200, &first, &count);
    CHECK_EQUAL(0, first);
    CHECK_EQUAL(4, count);
    psn_queue_claimed(queue, 7, &first, &count);
    CHECK_EQUAL(4, first);
    CHECK_EQUAL(3, count);
    psn_queue_clear_claim(queue, 7);
    psn_queue_claimed(queue, 7, &first, &count);
    CHECK_EQUAL(0, count);
    psn_queue_detach(queue);
}

static void report_done(void *context) {
    usleep(20000);
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(PSN_OK, psn_queue_task_done(context));
    }
}

static void done_is_counted(void) {
    psn_queue *queue;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    CHECK_STATUS(PSN_OK, psn_queue_wait_all_done(queue, 0));
    CHECK_STATUS(PSN_TOO_MANY_DONE, psn_queue_task_done(queue));
    for (int i = 0; i < 3; i++) {
        put(queue, "task");
    }
    CHECK_STATUS(PSN_TIMEOUT, psn_queue_wait_all_done(queue, in_future(20 * MILLISECOND)));
    pid_t pid = child(report_done, queue);
    CHECK_STATUS(PSN_OK, psn_queue_wait_all_done(queue, in_future(20 * SECOND)));
    ends_well(pid);
    CHECK_STATUS(PSN_TOO_MANY_DONE, psn_queue_task_done(queue));
    psn_queue_detach(queue);
}

static void on_signal(int signal_number) {
    (void)signal_number;
}

static void signal_parent(void *context) {
    (void)context;
    for (;;) { /* again and again: the first may come before the parent sleeps */
        usleep(20000);
        kill(getppid(), SIGUSR1);
    }
}

static void waits_are_interrupted(void) {
    psn_queue *queue;
    psn_channel *one, *two;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    CHECK_STATUS(PSN_OK, psn_queue_create(1, &queue));
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &one, &two));
    pid_t pid = child(signal_parent, NULL);
    CHECK_STATUS(PSN_INTERRUPTED, psn_queue_wait_message(queue, in_future(20 * SECOND)));
    CHECK_STATUS(PSN_INTERRUPTED, psn_channel_wait_message(one, in_future(20 * SECOND)));
    put(queue, "full");
    CHECK_STATUS(PSN_INTERRUPTED, psn_queue_wait_room(queue, in_future(20 * SECOND)));
    CHECK_STATUS(PSN_INTERRUPTED, psn_queue_wait_all_done(queue, in_future(20 * SECOND)));
    kill(pid, SIGKILL);
    ends_killed(pid);
    psn_channel_close(one);
    psn_channel_close(two);
    psn_queue_detach(queue);
}

int main(void) {
    begin(60);
    limit_is_kept();
    waiters_are_woken();
    promises_are_claimed_once();
    claims_are_announced();
    done_is_counted();
    waits_are_interrupted();
    return 0;
}
