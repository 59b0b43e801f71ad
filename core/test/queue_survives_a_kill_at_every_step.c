/* Description: a process is killed at each step of putting, taking, waiting, ringing, reporting
 * and reclaiming; the others see every committed message once and in order, find the locks free,
 * are woken, and get all memory back. PSN_REPEAT=1000 for a long run. */
#include <poll.h>
#include <signal.h>

#include "kill_matrix.h"
#include "segment.h"

#define BURST 60
#define ROUNDS 4
#define CLAIM 5
#define KEPT_WARM (UINT64_C(12) << 20) /* 8 MiB of chunks, and some blocks */

static psn_queue *queue; /* one for all kills of a scenario: what leaks adds up */
static pid_t partner;

static void *prepare_shared(progress *told) {
    (void)told;
    psn_queue_clear_claim(queue, CLAIM);
    CHECK_EQUAL(0, psn_queue_size(queue));
    return NULL;
}

/* ---- what victims do ---- */

static void put_single(progress *told, size_t length) {
    told->put_started = told->put_finished + 1;
    CHECK_STATUS(PSN_OK, put_number(queue, 1, told->put_finished, length));
    told->put_finished++;
}

static void put_with_block(progress *told, size_t length) {
    told->put_started = told->put_finished + 1;
    CHECK_STATUS(PSN_OK, put_block(queue, 1, told->put_finished, length));
    told->put_finished++;
}

static void put_batch(progress *told, size_t count, size_t length) {
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

static void take_some(progress *told, size_t max) {
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

static void small_messages(void *state, progress *told) {
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BURST; i++) {
            put_single(told, i % 20 == 7 ? 30000 : sizeof(numbered) + (size_t)i);
        }
        while (told->take_finished < told->put_finished) {
            take_some(told, 1);
        }
    }
}

static void batches(void *state, progress *told) {
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        put_batch(told, BURST, 3000);
        while (told->take_finished + 5 < told->put_finished) {
            take_some(told, 13);
        }
    }
}

static void blocks(void *state, progress *told) {
    psn_segment *segment = psn_queue_segment(queue);
    uint64_t freed;
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        psn_ref unsent;
        void *address;
        for (size_t i = 0; i < 8; i++) {
            put_with_block(told, i % 2 == 0 ? 40000 : 300000 + i * 70000);
        }
        CHECK_STATUS(PSN_OK, psn_block_take(segment, 100000, &unsent, &address));
        memset(address, 1, 100000);
        psn_block_drop(segment, unsent);
        while (told->take_finished + 2 < told->put_finished) {
            take_some(told, 3);
        }
        CHECK_STATUS(PSN_OK, psn_segment_reclaim(segment, &freed));
    }
}

static void done_reports(void *state, progress *told) {
    small_messages(state, told);
    for (uint64_t i = 0; i < told->take_finished; i++) {
        told->done_started = i + 1;
        CHECK_STATUS(PSN_OK, psn_queue_task_done(queue));
        told->done_finished = i + 1;
    }
}

/* ---- what survivors find ---- */

/* Everything that is left, in order; how many of the victim's. */
static uint64_t drain(progress *told, uint64_t *next) {
    uint64_t count = 0;
    while (psn_queue_size(queue) > 0) {
        uint64_t number = take_number(queue, NULL);
        if (*next == UINT64_MAX) {
            CHECK(number >= told->take_finished);
            *next = number;
        }
        CHECK_EQUAL(*next, number);
        (*next)++;
        count++;
    }
    return count;
}

static void check_memory(void) {
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

static void check_usable(void) {
    for (uint64_t number = 0; number < 30; number++) {
        size_t length = number % 10 == 3 ? 50000 : 100;
        CHECK_STATUS(PSN_OK, number % 7 == 1 ? put_block(queue, 2, number, 50000)
                                             : put_number(queue, 2, number, length));
        CHECK_EQUAL(number, take_number(queue, NULL));
    }
    CHECK_EQUAL(0, psn_queue_size(queue));
}

static void check_claim(uint64_t put_before, uint64_t next) {
    uint64_t first, count;
    psn_queue_claimed(queue, CLAIM, &first, &count);
    /* What is still claimed was taken; it did not come to the survivors. */
    CHECK(count == 0 || next == UINT64_MAX || first + count <= put_before + next);
}

static uint64_t put_before;

static void *prepare_mix(progress *told) {
    put_before = psn_queue_put_count(queue);
    return prepare_shared(told);
}

static void after_mix(void *state, progress *told) {
    uint64_t next = UINT64_MAX;
    (void)state;
    uint64_t size = psn_queue_size(queue);
    uint64_t left = drain(told, &next), oldest = next - left;
    CHECK_EQUAL(size, left);
    if (left > 0) {
        CHECK(next >= told->put_finished && next <= told->put_started);
        CHECK(oldest >= told->take_finished && oldest <= told->take_finished + BURST);
    } else {
        CHECK(psn_queue_put_count(queue) - put_before >= told->put_finished);
    }
    check_claim(put_before, left > 0 ? oldest : UINT64_MAX);
    check_usable();
    check_memory();
}

static void after_done(void *state, progress *told) {
    uint64_t reports = 0;
    after_mix(state, told);
    while (psn_queue_task_done(queue) == PSN_OK) {
        reports++;
    }
    CHECK_STATUS(PSN_OK, psn_queue_wait_all_done(queue, in_future(SECOND)));
    CHECK(reports > 0);
}

/* ---- pairs: the victim on one side, a partner that lives on on the other ---- */

#define PAIR_MESSAGES 120

static bool is_watched;

/* As an event loop does: looks only when the descriptor says that there is something. */
static void wait_for_message(void) {
    int memory_fd, doorbell;
    if (!is_watched) {
        CHECK_STATUS(PSN_OK, psn_queue_wait_message(queue, in_future(20 * SECOND)));
        return;
    }
    psn_queue_descriptors(queue, &memory_fd, &doorbell);
    struct pollfd entry = {.fd = doorbell, .events = POLLIN};
    CHECK_EQUAL(1, poll(&entry, 1, 20000));
}

static void consume_until_told(void *context) {
    progress *told = context;
    for (uint64_t expected = 0;;) {
        psn_inbox inbox;
        psn_message message;
        size_t cursor = 0;
        psn_inbox_init(&inbox);
        if (psn_queue_take(queue, 1, 0, -1, &inbox) != PSN_OK) {
            wait_for_message();
            continue;
        }
        CHECK(psn_inbox_next(&inbox, &cursor, &message));
        const numbered *got = number_check(message.data, message.size);
        if (got->producer != 1) {
            psn_inbox_clear(&inbox);
            return;
        }
        CHECK_EQUAL(expected, got->number);
        told->partner_saw = ++expected;
        check_blocks(psn_queue_segment(queue), &message, got->number);
        psn_inbox_clear(&inbox);
    }
}

static void *prepare_consuming_partner(progress *told) {
    prepare_shared(told);
    partner = child(consume_until_told, told);
    return NULL;
}

static void produce_for_partner(void *state, progress *told) {
    (void)state;
    while (told->put_finished < PAIR_MESSAGES) {
        uint64_t number = told->put_finished;
        if (number % 10 == 4) {
            put_batch(told, 7, 4000);
        } else if (number % 6 == 5) {
            put_with_block(told, 50000);
        } else {
            put_single(told, 200);
        }
        if (number % 16 == 9) {
            usleep(300); /* so that the partner sleeps now and then */
        }
    }
}

/* One that spins in vain, and then claims the promise of another, while the partner sleeps. The
 * producer seems to run elsewhere, and the promise is one that nobody keeps, as if the
 * spinner had been killed. */
static void spin_and_claim(void *state, progress *told) {
    psn_lane *lane = psn_segment_lane(psn_queue_segment(queue), 0);
    (void)state;
    psn_store_relaxed32(&lane->producer_cpu, UINT32_MAX);
    for (int i = 0; i < 2 * 64; i++) { /* one of 64 waits spins, however many were in vain before */
        psn_queue_wait_message(queue, in_future(MILLISECOND / 50));
    }
    while (!psn_event_has_sleepers(&lane->has_message)) {
        usleep(50);
    }
    psn_store_relaxed64(&lane->spinner, in_future(SECOND));
    put_single(told, 200);
}

static void after_producing(void *state, progress *told) {
    (void)state;
    CHECK_STATUS(PSN_OK, put_number(queue, 3, 0, 100));
    ends_well(partner);
    CHECK(told->partner_saw >= told->put_finished && told->partner_saw <= told->put_started);
    check_usable();
    check_memory();
}

static void produce_for_victim(void *context) {
    (void)context;
    for (uint64_t number = 0; number < PAIR_MESSAGES; number++) {
        CHECK_STATUS(PSN_OK, number % 6 == 5 ? put_block(queue, 1, number, 50000)
                                             : put_number(queue, 1, number, 200));
        if (number % 16 == 9) {
            usleep(300);
        }
    }
}

static void *prepare_producing_partner(progress *told) {
    prepare_shared(told);
    partner = child(produce_for_victim, NULL);
    return NULL;
}

static void consume_from_partner(void *state, progress *told) {
    (void)state;
    while (told->take_finished < PAIR_MESSAGES) {
        if (is_watched && psn_queue_size(queue) == 0) {
            wait_for_message();
        }
        take_some(told, 2);
    }
}

static void after_consuming(void *state, progress *told) {
    uint64_t next = told->take_finished;
    (void)state;
    if (next + 2 < PAIR_MESSAGES) { /* else nothing may be left */
        next = take_number(queue, NULL);
        CHECK(next >= told->take_finished && next <= told->take_finished + 2);
        while (++next < PAIR_MESSAGES) {
            CHECK_EQUAL(next, take_number(queue, NULL));
        }
    }
    ends_well(partner);
    while (psn_queue_size(queue) > 0) {
        take_number(queue, NULL);
    }
    check_usable();
    check_memory();
}

static void check_bell(void) {
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

static void after_watched_producing(void *state, progress *told) {
    after_producing(state, told);
    check_bell();
}

static void after_watched_consuming(void *state, progress *told) {
    after_consuming(state, told);
    check_bell();
}

/* ---- all ---- */

static void run(uint64_t max_items, bool watched, const scenario *scenarios, size_t count,
                const char *const *elsewhere) {
    CHECK_STATUS(PSN_OK, psn_queue_create(max_items, &queue));
    is_watched = watched;
    if (watched) {
        CHECK_STATUS(PSN_OK, psn_queue_watch(queue));
    }
    kill_everywhere(scenarios, count, repeat(2), elsewhere);
    psn_queue_detach(queue);
}

int main(void) {
    begin(300);
    static const scenario unbounded[] = {
        {"small messages", prepare_mix, small_messages, NULL, after_mix},
        {"batches", prepare_mix, batches, NULL, after_mix},
        {"messages with blocks", prepare_mix, blocks, NULL, after_mix},
        {"reports of done", prepare_mix, done_reports, NULL, after_done},
    };
    static const scenario bounded[] = {
        {"producer, bounded", prepare_consuming_partner, produce_for_partner, NULL,
         after_producing},
        {"consumer, bounded", prepare_producing_partner, consume_from_partner, NULL,
         after_consuming},
        {"spinner and sleeper", prepare_consuming_partner, spin_and_claim, NULL, after_producing},
    };
    static const scenario watched[] = {
        {"producer, watched", prepare_consuming_partner, produce_for_partner, NULL,
         after_watched_producing},
        {"consumer, watched", prepare_producing_partner, consume_from_partner, NULL,
         after_watched_consuming},
        {"alone, watched", prepare_mix, small_messages, NULL, after_mix},
    };
    static const char *const without_waiting[] = {"spin.promised",   "spin.claimed",
                                                  "wait.registered", "wait.woken", "wake.claimed",
                                                  "bell.locked",     "bell.rung",  "bell.cleared",
                                                  NULL};
    static const char *const without_mixes[] = {
        "done.counted",   "reclaim.locked", "reclaim.swept",    "bell.locked",
        "bell.rung",      "bell.cleared",   NULL};
    static const char *const without_sleep[] = {"spin.promised",   "spin.claimed",
                                                "done.counted",    "reclaim.locked",
                                                "reclaim.swept",   "wait.registered",
                                                "wait.woken",      "wake.claimed", NULL};
    run(0, false, unbounded, 4, without_waiting);
    run(3, false, bounded, 3, without_mixes);
    run(0, true, watched, 3, without_sleep);
    return 0;
}
