/* Description: while a process is stopped inside the arena's lock, a call that only tries comes
 * back at once and one that waits shortly soon, with what was put so far; taking goes on; and once
 * the process goes on everything is there, in order, and the memory comes back. */
#include <signal.h>
#include <sys/wait.h>

#include "arena.h"
#include "kill_matrix.h"

#define LENGTH 1000U
#define BATCH 200U /* more than a chunk of the usual size has room for */

static psn_queue *queue;
static psn_segment *segment;

static void stop_in_the_arena(void *context) {
    (void)context;
    CHECK_STATUS(PSN_OK, psn_arena_lock(segment));
    raise(SIGSTOP);
    psn_arena_unlock(segment);
}

static pid_t stopped_child(void) {
    int status;
    pid_t pid = child(stop_in_the_arena, NULL);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    return pid;
}

static void goes_on(pid_t pid) {
    CHECK(kill(pid, SIGCONT) == 0);
    ends_well(pid);
}

/* As many of the numbered messages as can be put; the number of the next. */
static uint64_t put_from(uint64_t next, unsigned flags, psn_status expected) {
    static _Alignas(8) char payloads[BATCH][LENGTH];
    psn_message messages[BATCH];
    for (uint64_t i = 0; i < BATCH; i++) {
        number_fill(payloads[i], LENGTH, 1, next + i);
        messages[i] = (psn_message){.size = LENGTH, .data = payloads[i]};
    }
    size_t done;
    uint64_t first;
    CHECK_STATUS(expected, psn_queue_put(queue, messages, BATCH, flags, &done, &first));
    CHECK(expected == PSN_OK ? done == BATCH : done < BATCH);
    return next + done;
}

static void takes(uint64_t from, uint64_t to) {
    for (; from < to; from++) {
        CHECK_EQUAL(from, take_number(queue, NULL));
    }
}

static void puts_come_back(void) {
    pid_t pid = stopped_child();
    uint64_t next = put_from(0, PSN_TRY_LOCK, PSN_BUSY);
    uint64_t began = psn_now();
    uint64_t same = put_from(next, PSN_SHORT_LOCK, PSN_BUSY);
    CHECK(psn_now() - began >= 50 * MILLISECOND); /* it did wait, and not for ever */
    CHECK_EQUAL(next, same);
    takes(0, next);
    goes_on(pid);
    CHECK_EQUAL(next + BATCH, put_from(next, PSN_TRY_LOCK, PSN_OK));
    takes(next, next + BATCH);
}

static void takes_go_on(void) {
    put_from(0, 0, PSN_OK);
    put_from(BATCH, 0, PSN_OK);
    pid_t pid = stopped_child();
    takes(0, 2 * BATCH); /* over the ends of chunks that cannot be given back now */
    goes_on(pid);
    CHECK(psn_queue_size(queue) == 0);
    put_from(0, 0, PSN_OK);
    takes(0, BATCH); /* gives them back as well */
    CHECK_EQUAL(chunks_in_chains(segment), 1);
}

static void first_block_is_waited_for_shortly(void) {
    psn_queue *other;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &other));
    psn_inbox inbox;
    psn_inbox_init(&inbox);
    pid_t sender = fork();
    if (sender == 0) {
        CHECK_STATUS(PSN_OK, put_block(other, 1, 9, 100000));
        _exit(0);
    }
    ends_well(sender);
    /* This process has no slot yet in the table of those who hold blocks. */
    CHECK_STATUS(PSN_BUSY, psn_queue_take(other, 1, PSN_TRY_LOCK, -1, &inbox));
    CHECK_EQUAL(1, psn_queue_size(other));
    CHECK_EQUAL(9, take_number(other, NULL));
    psn_inbox_clear(&inbox);
    psn_queue_detach(other);
}

int main(void) {
    begin(60);
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    segment = psn_queue_segment(queue);
    puts_come_back();
    takes_go_on();
    first_block_is_waited_for_shortly();
    psn_queue_detach(queue);
    return 0;
}
