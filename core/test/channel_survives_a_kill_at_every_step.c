/* Description: the process at one end of a channel is killed at each step of sending, receiving,
 * waiting and ringing; the other end gets every message that was sent, in order, and then the
 * end of file, is told that nobody receives, and no memory and no descriptor is left. */
#include <poll.h>

#include "kill_matrix.h"

#define MESSAGES 80

typedef struct {
    psn_channel *mine, *theirs;
    bool is_watched;
    unsigned descriptors, maps; /* before */
} pair;

static pair now;

static psn_status send_number(psn_channel *channel, uint64_t number, size_t length) {
    _Alignas(8) char payload[70000];
    number_fill(payload, length, 1, number);
    psn_message message = {.size = (uint32_t)length, .data = payload};
    for (;;) {
        psn_status status = psn_channel_send(channel, &message, 0);
        if (status == PSN_FULL) {
            status = psn_channel_wait_room(channel, in_future(20 * SECOND));
            if (status == PSN_OK) {
                continue;
            }
        }
        return status;
    }
}

static void send_block(psn_channel *channel, uint64_t number) {
    char payload[sizeof(numbered)], bytes[50000];
    psn_slice slice = {.length = sizeof bytes};
    number_fill(payload, sizeof payload, 1, number);
    pattern_fill(bytes, sizeof bytes, number);
    psn_segment *segment = psn_channel_segment(channel);
    CHECK_STATUS(PSN_OK, psn_block_fill(segment, bytes, sizeof bytes, &slice.ref));
    psn_message message = {
        .slice_count = 1, .slices = &slice, .size = sizeof payload, .data = payload};
    CHECK_STATUS(PSN_OK, psn_channel_send(channel, &message, 0));
}

static psn_status receive(psn_channel *channel, uint64_t expected) {
    psn_inbox inbox;
    psn_message message;
    size_t cursor = 0;
    psn_inbox_init(&inbox);
    for (;;) {
        psn_status status = psn_channel_take(channel, 0, &inbox);
        if (status == PSN_OK) {
            break;
        }
        CHECK_STATUS(PSN_EMPTY, status);
        if (now.is_watched) {
            int memory_fd, in_fd, out_fd;
            CHECK_STATUS(PSN_OK, psn_channel_descriptors(channel, &memory_fd, &in_fd, &out_fd));
            struct pollfd entry = {.fd = in_fd, .events = POLLIN};
            CHECK_EQUAL(1, poll(&entry, 1, 20000));
            status = psn_channel_wait_message(channel, 0);
            status = status == PSN_TIMEOUT ? PSN_OK : status; /* it rang for nothing */
        } else {
            status = psn_channel_wait_message(channel, in_future(20 * SECOND));
        }
        if (status != PSN_OK) {
            return status;
        }
    }
    CHECK(psn_inbox_next(&inbox, &cursor, &message));
    CHECK_EQUAL(expected, number_check(message.data, message.size)->number);
    check_blocks(psn_channel_segment(channel), &message, expected);
    psn_inbox_clear(&inbox);
    return PSN_OK;
}

static void *prepare(progress *told) {
    (void)told;
    now.descriptors = count_descriptors();
    now.maps = count_maps();
    CHECK_STATUS(PSN_OK, psn_channel_create(true, &now.mine, &now.theirs));
    if (now.is_watched) {
        CHECK_STATUS(PSN_OK, psn_channel_watch(now.mine));
    }
    return NULL;
}

static void *prepare_watched(progress *told) {
    now.is_watched = true;
    return prepare(told);
}

static void talk(void *state, progress *told) {
    (void)state;
    psn_channel_close(now.mine);
    if (now.is_watched) {
        CHECK_STATUS(PSN_OK, psn_channel_watch(now.theirs));
    }
    for (uint64_t number = 0; number < MESSAGES; number++) {
        told->put_started = number + 1;
        if (number % 9 == 4) {
            send_block(now.theirs, number);
        } else {
            CHECK_STATUS(PSN_OK,
                         send_number(now.theirs, number, number % 7 == 3 ? 33000 : 100));
        }
        told->put_finished = number + 1;
        if (number % 13 == 6) {
            psn_ref unsent;
            void *address;
            psn_segment *segment = psn_channel_segment(now.theirs);
            CHECK_STATUS(PSN_OK, psn_block_take(segment, 20000, &unsent, &address));
            psn_block_drop(segment, unsent);
        }
        CHECK_STATUS(PSN_OK, receive(now.theirs, told->take_finished));
        told->take_finished++;
    }
}

static void answer(void *state, progress *told) {
    (void)state;
    psn_channel_close(now.theirs);
    for (uint64_t number = 0;; number++) {
        psn_status status = receive(now.mine, number);
        if (status == PSN_EOF) {
            told->partner_saw = number;
            return;
        }
        CHECK_STATUS(PSN_OK, status);
        status = send_number(now.mine, number, number % 11 == 2 ? 60000 : 50);
        CHECK(status == PSN_OK || status == PSN_BROKEN);
    }
}

static void afterwards(void *state, progress *told) {
    psn_segment *segment = psn_channel_segment(now.mine);
    psn_memory memory;
    uint64_t freed;
    (void)state;
    CHECK(told->partner_saw >= told->put_finished && told->partner_saw <= told->put_started);
    EVENTUALLY(send_number(now.mine, 0, 100) == PSN_BROKEN);
    CHECK_STATUS(PSN_EOF, psn_channel_wait_message(now.mine, in_future(SECOND)));
    CHECK_STATUS(PSN_OK, psn_segment_reclaim(segment, &freed));
    psn_segment_memory(segment, &memory);
    CHECK_EQUAL(chunks_in_chains(segment), memory.used_blocks);
    CHECK(memory.peers <= 1);
    psn_channel_close(now.mine);
    CHECK_EQUAL(now.descriptors, count_descriptors());
    CHECK_EQUAL(now.maps, count_maps());
}

int main(void) {
    begin(300);
    static const scenario plain[] = {{"channel", prepare, talk, answer, afterwards}};
    static const scenario watched[] = {{"channel, watched", prepare_watched, talk, answer,
                                        afterwards}};
    static const char *const not_plain[] = {"spin.promised", "spin.claimed", "take.claimed", "reclaim.locked", "reclaim.swept",
                                            "done.counted", "bell.locked",    "bell.rung",
                                            "bell.cleared", NULL};
    static const char *const not_watched[] = {"spin.promised", "spin.claimed", "take.claimed", "reclaim.locked", "reclaim.swept",
                                              "done.counted", "wait.registered", "wait.woken",
                                              "wake.claimed", NULL};
    kill_everywhere(plain, 1, repeat(3), not_plain);
    kill_everywhere(watched, 1, repeat(3), not_watched);
    return 0;
}
