/* Description: four producers and four consumers work at one queue, with and without blocks, while
 * one of them after the other is killed at a random instruction or stopped for a moment; nothing
 * that was put is lost but what the dead had taken, nothing comes twice, no lock and no memory
 * stays behind. PSN_REPEAT=10000 kills for a long run. */
#include <signal.h>

#include "kill_matrix.h"

#define WORKERS 8
#define NUMBERS (UINT64_C(64) << 20)

/* For each number, set with one atomic operation each. */
enum { PUT = 1, TAKEN = 2 };

static struct {
    psn_queue *queue;
    psn_segment *segment;
    unsigned char *seen; /* of each number: the bits above */
    uint64_t *next;      /* number to put */
} all;

static void note(uint64_t number, unsigned char what) {
    __atomic_fetch_or(&all.seen[number], what, __ATOMIC_RELAXED);
}

static void note_taken(const numbered *got) {
    if ((__atomic_fetch_or(&all.seen[got->number], TAKEN, __ATOMIC_RELAXED) & TAKEN) != 0) {
        FAIL("number %llu came twice", (unsigned long long)got->number);
    }
}

static void produce(void *context) {
    const bool *with_blocks = context;
    for (;;) {
        uint64_t number = __atomic_fetch_add(all.next, 1, __ATOMIC_RELAXED);
        if (number >= NUMBERS) {
            return;
        }
        size_t length = sizeof(numbered) + number % 97 * (number % 40 == 0 ? 300 : 3);
        bool block = *with_blocks && number % 4 == 0;
        CHECK_STATUS(PSN_OK, block ? put_block(all.queue, 1, number, 20000 + number % 7 * 30000)
                                   : put_number(all.queue, 1, number, length));
        note(number, PUT);
        if (number % 64 == 0) {
            usleep(200); /* a backlog without end would test the machine, not the queue */
        }
    }
}

static void consume(void *context) {
    psn_inbox inbox;
    psn_message message;
    (void)context;
    psn_inbox_init(&inbox);
    for (;;) {
        CHECK_STATUS(PSN_OK, take_one(all.queue, &inbox, &message, PSN_FOREVER));
        const numbered *got = number_check(message.data, message.size);
        if (got->producer != 1) {
            return;
        }
        note_taken(got);
        check_blocks(all.segment, &message, got->number);
    }
}

static void be_worker(void *context) {
    const bool *flags = context; /* [0] blocks, [1] consumer */
    alarm(0);
    (flags[1] ? consume : produce)(context);
}

static void drain(void) {
    psn_inbox inbox;
    psn_message message;
    psn_inbox_init(&inbox);
    while (psn_queue_size(all.queue) > 0) {
        CHECK_STATUS(PSN_OK, take_one(all.queue, &inbox, &message, in_future(10 * SECOND)));
        const numbered *got = number_check(message.data, message.size);
        note_taken(got);
        check_blocks(all.segment, &message, got->number);
    }
    psn_inbox_clear(&inbox);
}

/* A message that was put is missing only if a consumer was killed after taking it. */
static void check_none_lost(unsigned killed) {
    uint64_t lost = 0, count = __atomic_load_n(all.next, __ATOMIC_RELAXED);
    CHECK(count < NUMBERS);
    for (uint64_t i = 0; i < count; i++) {
        lost += (all.seen[i] & (PUT | TAKEN)) == PUT;
    }
    CHECK(lost <= killed + WORKERS);
    memset(all.seen, 0, count);
}

static void run(uint64_t max_items, bool with_blocks, unsigned kills) {
    pid_t workers[WORKERS];
    bool flags[WORKERS][2];
    CHECK_STATUS(PSN_OK, psn_queue_create(max_items, &all.queue));
    all.segment = psn_queue_segment(all.queue);
    __atomic_store_n(all.next, 0, __ATOMIC_RELAXED);
    for (int i = 0; i < WORKERS; i++) {
        flags[i][0] = with_blocks;
        flags[i][1] = i % 2 == 1;
        workers[i] = child(be_worker, flags[i]);
    }
    for (unsigned i = 0; i < kills; i++) {
        int which = (int)(random() % WORKERS);
        usleep((useconds_t)(random() % 2500));
        if (i % 8 == 7) {
            kill(workers[which], SIGSTOP);
            usleep(1000);
            kill(workers[which], SIGCONT);
            continue;
        }
        kill(workers[which], SIGKILL);
        ends_killed(workers[which]);
        workers[which] = child(be_worker, flags[which]);
    }
    /* they still move */
    uint64_t before = psn_queue_taken_count(all.queue);
    EVENTUALLY(psn_queue_taken_count(all.queue) > before + 20);
    for (int i = 0; i < WORKERS; i++) {
        kill(workers[i], SIGKILL);
        ends_killed(workers[i]);
    }
    drain();
    check_none_lost(kills);
    CHECK_EQUAL(psn_queue_put_count(all.queue), psn_queue_taken_count(all.queue));
    uint64_t freed;
    psn_memory memory;
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(all.segment, &freed));
    psn_segment_memory(all.segment, &memory);
    CHECK_EQUAL(chunks_in_chains(all.segment), memory.used_blocks);
    CHECK(memory.committed_bytes < memory.used_bytes + (2U << 20));
    printf("limit %llu, %s blocks: %llu messages, %u kills, %llu locks recovered\n",
           (unsigned long long)max_items, with_blocks ? "with" : "no",
           (unsigned long long)psn_queue_put_count(all.queue), kills,
           (unsigned long long)memory.recoveries);
    psn_queue_detach(all.queue);
}

int main(void) {
    begin(200);
    srandom((unsigned)psn_now());
    all.seen = shared_memory(NUMBERS);
    all.next = shared_memory(sizeof(uint64_t));
    unsigned kills = repeat(under_sanitizer() ? 60 : 600);
    run(0, false, kills);
    run(8, false, kills);
    run(0, true, kills);
    run(8, true, kills);
    return 0;
}
