/* Description: blocks are sent, held, released and used again while warm; stale references do
 * nothing; what a killed process held or had not sent comes back; children of a fork keep what
 * their parent releases, and neither sees what the other writes. */
#include <signal.h>

#include "kill_matrix.h"

#define SIZE ((size_t)300000)

static psn_queue *queue;
static psn_segment *segment;

static void check_only_chunks_left(void) {
    uint64_t freed;
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(segment, &freed));
    CHECK_EQUAL(chunks_in_chains(segment), memory_of(segment).used_blocks);
}

static psn_slice take_slice(void) {
    psn_inbox inbox;
    psn_message message;
    psn_inbox_init(&inbox);
    CHECK_STATUS(PSN_OK, take_one(queue, &inbox, &message, in_future(20 * SECOND)));
    CHECK_EQUAL(1, message.slice_count);
    psn_slice slice = message.slices[0];
    psn_inbox_clear(&inbox);
    return slice;
}

static psn_hold *take_hold(void) {
    psn_hold *hold;
    CHECK_STATUS(PSN_OK, psn_hold_open(segment, take_slice(), &hold));
    return hold;
}

static void block_is_used_again_while_warm(void) {
    uint64_t blocks = memory_of(segment).used_blocks;
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 11, SIZE));
    psn_slice first = take_slice();
    psn_hold *hold;
    CHECK_STATUS(PSN_OK, psn_hold_open(segment, first, &hold));
    CHECK(pattern_is(psn_hold_address(hold), SIZE, 11));
    CHECK_EQUAL(blocks + 1, memory_of(segment).used_blocks);
    psn_hold_release(hold);
    CHECK_EQUAL(blocks, memory_of(segment).used_blocks);
    CHECK(memory_of(segment).warm_bytes >= SIZE);
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 12, SIZE));
    psn_slice second = take_slice();
    CHECK_EQUAL((uint32_t)first.ref, (uint32_t)second.ref);
    CHECK(first.ref != second.ref);
    psn_block_drop(segment, first.ref); /* stale: must not touch the block of the same index */
    CHECK_EQUAL(blocks + 1, memory_of(segment).used_blocks);
    CHECK_STATUS(PSN_OK, psn_hold_open(segment, second, &hold));
    uint64_t freed;
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(segment, &freed));
    CHECK(pattern_is(psn_hold_address(hold), SIZE, 12));
    CHECK_EQUAL(blocks + 1, memory_of(segment).used_blocks);
    psn_hold_release(hold);
    psn_block_drop(segment, second.ref);
    check_only_chunks_left();
}

static void take_and_wait(void *context) {
    uint64_t *ready = context;
    for (int i = 0; i < 3; i++) {
        take_hold();
    }
    psn_ref unsent;
    void *address;
    CHECK_STATUS(PSN_OK, psn_block_take(segment, SIZE, &unsent, &address));
    memset(address, 1, SIZE);
    CHECK_STATUS(PSN_OK, psn_block_fill(segment, address, SIZE, &unsent));
    __atomic_store_n(ready, 1, __ATOMIC_RELEASE);
    pause();
}

static void killed_process_gives_back_what_it_held(void) {
    uint64_t *ready = shared_memory(sizeof *ready);
    for (uint64_t i = 0; i < 4; i++) {
        CHECK_STATUS(PSN_OK, put_block(queue, 1, i, SIZE));
    }
    pid_t pid = child(take_and_wait, ready);
    EVENTUALLY(__atomic_load_n(ready, __ATOMIC_ACQUIRE) == 1);
    uint64_t freed;
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(segment, &freed));
    CHECK_EQUAL(0, freed); /* it lives */
    kill(pid, SIGKILL);
    ends_killed(pid);
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(segment, &freed));
    CHECK(freed >= 5 * SIZE);
    psn_hold *hold = take_hold(); /* the fourth is still there */
    CHECK(pattern_is(psn_hold_address(hold), SIZE, 3));
    psn_hold_release(hold);
    check_only_chunks_left();
}

typedef struct {
    psn_hold *hold;
    uint64_t step; /* of parent and children, in turns */
} inheritance;

static void wait_step(const inheritance *shared, uint64_t step) {
    EVENTUALLY(__atomic_load_n(&shared->step, __ATOMIC_ACQUIRE) >= step);
}

static void next_step(inheritance *shared, uint64_t step) {
    __atomic_store_n(&shared->step, step, __ATOMIC_RELEASE);
}

static void be_grandchild(void *context) {
    inheritance *shared = context;
    unsigned char *bytes = psn_hold_address(shared->hold);
    wait_step(shared, 3); /* parent and child have released theirs */
    CHECK_EQUAL(0xab, bytes[0]);
    pattern_fill(bytes, SIZE, 0);
    CHECK(pattern_is(bytes, SIZE, 0));
    psn_hold_release(shared->hold);
}

static void be_child(void *context) {
    inheritance *shared = context;
    unsigned char *bytes = psn_hold_address(shared->hold);
    wait_step(shared, 1); /* the parent has written and released */
    CHECK(pattern_is(bytes, SIZE, 21));
    bytes[0] = 0xab; /* this process' own from now on, and its children's */
    pid_t pid = child(be_grandchild, shared);
    psn_hold_release(shared->hold);
    next_step(shared, 2);
    ends_well(pid);
}

static void children_keep_what_they_inherited(void) {
    inheritance *shared = shared_memory(sizeof *shared);
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 21, SIZE));
    shared->hold = take_hold();
    pid_t pid = child(be_child, shared);
    memset(psn_hold_address(shared->hold), 0x11, SIZE); /* not for the child to see */
    psn_hold_release(shared->hold);
    /* whoever gets the memory now must not disturb the child */
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_STATUS(PSN_OK, put_block(queue, 1, 30 + i, SIZE));
        CHECK_EQUAL(30 + i, take_number(queue, NULL));
    }
    next_step(shared, 1);
    wait_step(shared, 2);
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_STATUS(PSN_OK, put_block(queue, 1, 40 + i, SIZE));
        CHECK_EQUAL(40 + i, take_number(queue, NULL));
    }
    next_step(shared, 3);
    ends_well(pid);
    check_only_chunks_left();
}

static void be_killed_heir(void *context) {
    inheritance *shared = context;
    CHECK(pattern_is(psn_hold_address(shared->hold), SIZE, 22));
    kill(getpid(), SIGKILL);
}

static void killed_heir_gives_back_what_it_inherited(void) {
    inheritance shared;
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 22, SIZE));
    shared.hold = take_hold();
    pid_t pid = child(be_killed_heir, &shared);
    psn_hold_release(shared.hold);
    ends_killed(pid);
    check_only_chunks_left();
}

static void be_short(void *context) {
    (void)context;
}

static void block_that_was_private_is_shared_when_it_is_used_anew(void) {
    psn_slice slice;
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 23, SIZE));
    psn_hold *hold = take_hold();
    ends_well(child(be_short, NULL));
    memset(psn_hold_address(hold), 0x22, SIZE); /* into pages of this process alone */
    psn_hold_release(hold);
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 24, SIZE));
    slice = take_slice();
    CHECK_STATUS(PSN_OK, psn_hold_open(segment, slice, &hold));
    CHECK(pattern_is(psn_hold_address(hold), SIZE, 24));
    psn_hold_release(hold);
    check_only_chunks_left();
}

static void sweep_for_ever(void *context) {
    uint64_t freed;
    (void)context;
    for (;;) {
        CHECK_STATUS(PSN_OK, psn_segment_reclaim(segment, &freed));
    }
}

static void look_at_inherited(void *context) {
    psn_hold *const *holds = context;
    for (int look = 0; look < 3; look++) {
        for (uint64_t i = 0; i < 3; i++) {
            CHECK(pattern_is(psn_hold_address(holds[i]), SIZE, 60 + i));
        }
        usleep(300);
    }
    for (uint64_t i = 0; i < 3; i++) {
        psn_hold_release(holds[i]);
    }
}

/* Nobody may take an heir for dead while it is being born. */
static void heirs_survive_sweeping(void) {
    pid_t sweeper = child(sweep_for_ever, NULL), heirs[6];
    for (unsigned round = 0; round < 20; round++) {
        psn_hold *holds[3];
        for (uint64_t i = 0; i < 3; i++) {
            CHECK_STATUS(PSN_OK, put_block(queue, 1, 60 + i, SIZE));
            holds[i] = take_hold();
        }
        for (int i = 0; i < 6; i++) {
            heirs[i] = child(look_at_inherited, holds);
        }
        for (uint64_t i = 0; i < 3; i++) {
            psn_hold_release(holds[i]);
        }
        for (uint64_t i = 0; i < 8; i++) { /* what was freed too soon would be written over */
            CHECK_STATUS(PSN_OK, put_block(queue, 1, 70 + i, SIZE));
            CHECK_EQUAL(70 + i, take_number(queue, NULL));
        }
        kill(heirs[0], SIGKILL);
        end_of(heirs[0], 20);
        for (int i = 1; i < 6; i++) {
            ends_well(heirs[i]);
        }
    }
    kill(sweeper, SIGKILL);
    ends_killed(sweeper);
}

int main(void) {
    begin(60);
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    segment = psn_queue_segment(queue);
    block_is_used_again_while_warm();
    killed_process_gives_back_what_it_held();
    children_keep_what_they_inherited();
    killed_heir_gives_back_what_it_inherited();
    block_that_was_private_is_shared_when_it_is_used_anew();
    heirs_survive_sweeping();
    psn_queue_detach(queue);
    CHECK_EQUAL(0, count_maps());
    return 0;
}
