/* Description: one of two processes that share a queue is killed at each step of putting, taking,
 * waiting and ringing; the other sees every committed message once and in order, is woken, and
 * gets all memory back. PSN_REPEAT=1000 for a long run. */
#include "queue_steps.h"
#include "segment.h"

#define PAIR_MESSAGES 120

static pid_t partner; /* lives on, at the other side of the queue */

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
    prepare_queue();
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
    (void)told;
    prepare_queue();
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

static void after_watched_producing(void *state, progress *told) {
    after_producing(state, told);
    check_bell();
}

static void after_watched_consuming(void *state, progress *told) {
    after_consuming(state, told);
    check_bell();
}

int main(void) {
    begin(300);
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
    };
    static const char *const without_bells[] = {REPORTS, BELLS, NULL};
    static const char *const without_waits[] = {WAITS, REPORTS, NULL};
    run_with_queue(3, false, bounded, 3, without_bells);
    run_with_queue(0, true, watched, 2, without_waits);
    return 0;
}
