/* Description: where the table of blocks is full, buffers are refused and messages still flow;
 * where the table of peers is full, the bytes of blocks are copied out; and both recover. */
#include <signal.h>

#include "kill_matrix.h"

#define PEERS 256

static psn_queue *queue;
static psn_segment *segment;

static void block_table_full(void) {
    static psn_ref refs[5000];
    size_t count = 0;
    psn_status status;
    for (;;) {
        status = psn_block_fill(segment, "x", 1, &refs[count]);
        if (status != PSN_OK) {
            break;
        }
        CHECK(++count < 5000);
    }
    CHECK_STATUS(PSN_FULL, status);
    CHECK(count > 2000);
    for (uint64_t number = 0; number < 20000; number++) { /* many chunks */
        CHECK_STATUS(PSN_OK, put_number(queue, 1, number, 600));
    }
    for (uint64_t number = 0; number < 20000; number++) {
        CHECK_EQUAL(number, take_number(queue, NULL));
    }
    CHECK_STATUS(PSN_FULL, psn_block_fill(segment, "x", 1, &refs[count]));
    for (size_t i = 0; i < count; i++) {
        psn_block_drop(segment, refs[i]);
    }
    uint64_t freed;
    psn_memory memory;
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(segment, &freed));
    psn_segment_memory(segment, &memory);
    CHECK_EQUAL(chunks_in_chains(segment), memory.used_blocks);
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 5, 50000));
    CHECK_EQUAL(5, take_number(queue, NULL));
}

static void hold_a_slot(void *context) {
    uint64_t *ready = context;
    psn_ref ref;
    psn_status status = psn_block_fill(segment, "x", 1, &ref);
    CHECK(status == PSN_OK || status == PSN_FULL);
    __atomic_fetch_add(ready, 1, __ATOMIC_ACQ_REL);
    pause();
}

static void take_copied_block(void *context) {
    (void)context;
    psn_inbox inbox;
    psn_message message;
    psn_ref ref;
    CHECK_STATUS(PSN_FULL, psn_block_fill(segment, "x", 1, &ref));
    psn_inbox_init(&inbox);
    CHECK_STATUS(PSN_OK, take_one(queue, &inbox, &message, in_future(20 * SECOND)));
    CHECK((message.slices[0].length & PSN_SLICE_PRIVATE) != 0);
    check_blocks(segment, &message, 77);
    psn_inbox_clear(&inbox);
}

static void wait_for_order(void *context) {
    uint64_t *order = context;
    EVENTUALLY(__atomic_load_n(order, __ATOMIC_ACQUIRE) == 1);
    take_copied_block(NULL);
}

/* Inherited by a child for which there is no slot: the bytes must stay what they are. */
static void keep_inherited(void *context) {
    psn_hold *hold = context;
    usleep(20000);
    CHECK(pattern_is(psn_hold_address(hold), 90000, 78));
    psn_hold_release(hold);
}

static void peer_table_full(void) {
    static pid_t pids[PEERS];
    uint64_t *ready = shared_memory(2 * sizeof *ready);
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 77, 90000));
    pid_t taker = child(wait_for_order, ready + 1);
    for (int i = 0; i < PEERS; i++) {
        pids[i] = child(hold_a_slot, ready);
    }
    EVENTUALLY(__atomic_load_n(ready, __ATOMIC_ACQUIRE) == PEERS);
    psn_memory memory;
    psn_segment_memory(segment, &memory);
    CHECK_EQUAL(PEERS, memory.peers);
    __atomic_store_n(ready + 1, 1, __ATOMIC_RELEASE);
    ends_well(taker);

    CHECK_STATUS(PSN_OK, put_block(queue, 1, 78, 90000)); /* this process has a slot */
    psn_inbox inbox;
    psn_message message;
    psn_hold *hold;
    psn_inbox_init(&inbox);
    CHECK_STATUS(PSN_OK, take_one(queue, &inbox, &message, in_future(20 * SECOND)));
    CHECK_STATUS(PSN_OK, psn_hold_open(segment, message.slices[0], &hold));
    psn_inbox_clear(&inbox);
    pid_t heir = child(keep_inherited, hold);
    psn_hold_release(hold);
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 79, 90000));
    CHECK_EQUAL(79, take_number(queue, NULL));
    ends_well(heir);

    for (int i = 0; i < PEERS; i++) {
        kill(pids[i], SIGKILL);
        ends_killed(pids[i]);
    }
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 80, 90000));
    CHECK_EQUAL(80, take_number(queue, NULL));
    uint64_t freed;
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(segment, &freed));
    psn_segment_memory(segment, &memory);
    CHECK_EQUAL(1, memory.peers);
    CHECK_EQUAL(chunks_in_chains(segment) + 1, memory.used_blocks); /* the one for the heir */
}

int main(void) {
    begin(120);
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    segment = psn_queue_segment(queue);
    block_table_full();
    peer_table_full();
    psn_queue_detach(queue);
    return 0;
}
