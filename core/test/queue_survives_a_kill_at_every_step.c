/* Description: a process is killed at each step of putting, taking, ringing, reporting and
 * reclaiming, alone with its queue; who comes after it sees every committed message once and in
 * order, finds the locks free, and gets all memory back. PSN_REPEAT=1000 for a long run. */
#include "queue_steps.h"

#define ROUNDS 4

/* ---- what victims do ---- */

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

static void check_claim(uint64_t put_before, uint64_t next) {
    uint64_t first, count;
    psn_queue_claimed(queue, CLAIM, &first, &count);
    /* What is still claimed was taken; it did not come to the survivors. */
    CHECK(count == 0 || next == UINT64_MAX || first + count <= put_before + next);
}

static uint64_t put_before;

static void *prepare_mix(progress *told) {
    (void)told;
    put_before = psn_queue_put_count(queue);
    prepare_queue();
    return NULL;
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

static void after_watched(void *state, progress *told) {
    after_mix(state, told);
    check_bell();
}

int main(void) {
    begin(300);
    static const scenario unwatched[] = {
        {"small messages", prepare_mix, small_messages, NULL, after_mix},
        {"batches", prepare_mix, batches, NULL, after_mix},
        {"messages with blocks", prepare_mix, blocks, NULL, after_mix},
        {"reports of done", prepare_mix, done_reports, NULL, after_done},
    };
    static const scenario watched[] = {
        {"small messages, watched", prepare_mix, small_messages, NULL, after_watched},
    };
    static const char *const without_waiting[] = {WAITS, BELLS, NULL};
    run_with_queue(0, false, unwatched, 4, without_waiting);
    run_with_queue(0, true, watched, 1, NULL);
    return 0;
}
