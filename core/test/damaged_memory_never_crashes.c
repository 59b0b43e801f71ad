/* Description: whatever is written over the shared memory of a queue or channel behind its header,
 * operations end with a status: no crash, no write outside, no endless loop. (Lock words are left
 * alone: a lock that says that a living thread has it is waited for.) */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "harness.h"
#include "segment.h"

#define SECONDS_EACH 5

typedef struct {
    unsigned seed;
    psn_queue *queue;
    psn_channel *one, *two;
    psn_segment *segment;
} damaged;

static void on_alarm(int signal_number) {
    (void)signal_number;
    _exit(3);
}

/* ---- where to write: not into locks ---- */

static bool is_lock(size_t at) {
    const size_t locks[] = {
        offsetof(psn_first_page, arena.lock),
        PSN_LANES_AT + offsetof(psn_lane, put_lock),
        PSN_LANES_AT + offsetof(psn_lane, get_lock),
        PSN_LANES_AT + sizeof(psn_lane) + offsetof(psn_lane, put_lock),
        PSN_LANES_AT + sizeof(psn_lane) + offsetof(psn_lane, get_lock),
    };
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
        if (at >= locks[i] && at < locks[i] + sizeof(psn_mutex)) {
            return true;
        }
    }
    return false;
}

/* Mostly where there is something: arena, lanes, first peers, first blocks, chunks. */
static size_t some_place(void) {
    size_t random_offset = (size_t)random();
    switch (random() % 6) {
    case 0: return offsetof(psn_first_page, arena) + random_offset % sizeof(psn_arena);
    case 1: return PSN_LANES_AT + random_offset % (2 * sizeof(psn_lane));
    case 2: return PSN_PEERS_AT + random_offset % (2 * sizeof(psn_peer));
    case 3: return PSN_BLOCKS_AT + random_offset % (24 * sizeof(psn_block));
    case 4: return PSN_CONTROL_SIZE + random_offset % 4096;
    default: return PSN_CONTROL_SIZE + random_offset % (300 * 1024);
    }
}

static void damage(int fd) {
    int writes = 1 + (int)(random() % 4);
    static const uint32_t values[] = {0, 1, 0xff, 0xffff, 0x7fffffff, 0xffffffff, 4095, 4096};
    for (int i = 0; i < writes; i++) {
        size_t at = some_place();
        uint32_t value = random() % 2 == 0 ? (uint32_t)random() << (random() % 16)
                                           : values[random() % 8];
        size_t size = random() % 3 == 0 ? 1 : 4;
        at = size == 4 ? at / 4 * 4 : at;
        if (!is_lock(at) && !is_lock(at + size - 1)) {
            CHECK_EQUAL(size, pwrite(fd, &value, size, (off_t)at));
        }
    }
}

/* ---- operations: any status will do ---- */

static void read_all(psn_segment *segment, psn_inbox *inbox) {
    psn_message message;
    size_t cursor = 0;
    while (psn_inbox_next(inbox, &cursor, &message)) {
        volatile unsigned sum = 0;
        for (uint32_t i = 0; i < message.size; i++) {
            sum += ((const unsigned char *)message.data)[i];
        }
        for (uint32_t i = 0; i < message.slice_count; i++) {
            psn_hold *hold;
            if (message.slices[i].ref == 0 ||
                psn_hold_open(segment, message.slices[i], &hold) != PSN_OK) {
                continue;
            }
            uint64_t length = message.slices[i].length & ~PSN_SLICE_PRIVATE;
            volatile unsigned char *bytes = psn_hold_address(hold);
            if (length > 0) {
                bytes[0] = bytes[length - 1];
            }
            psn_hold_release(hold);
        }
    }
    psn_inbox_clear(inbox);
}

static psn_message some_message(psn_segment *segment, psn_slice *slice) {
    static char data[100000];
    psn_message message = {.size = (uint32_t)(random() % 5 == 0 ? random() % 100000 : 40),
                           .data = data};
    if (random() % 2 == 0) {
        slice->length = 30000 + (uint64_t)random() % 100000;
        if (psn_block_fill(segment, data, slice->length % 100000, &slice->ref) == PSN_OK) {
            slice->length %= 100000;
            message.slices = slice;
            message.slice_count = 1;
        }
    }
    return message;
}

static void use(const damaged *it) {
    psn_inbox inbox;
    psn_slice slice;
    size_t done;
    uint64_t first, freed;
    psn_ref ref;
    void *address;
    psn_memory memory;
    psn_inbox_init(&inbox);
    for (int i = 0; i < 12; i++) {
        psn_message message = some_message(it->segment, &slice);
        psn_status status =
            it->queue != NULL ? psn_queue_put(it->queue, &message, 1, 0, &done, &first)
                              : psn_channel_send(it->one, &message, 0);
        if (status != PSN_OK && message.slice_count > 0) {
            psn_block_drop(it->segment, slice.ref);
        }
        if (i % 3 != 0) {
            if (it->queue != NULL) {
                psn_queue_take(it->queue, 1 + (size_t)random() % 5, 0, 3, &inbox);
            } else {
                psn_channel_take(it->two, 0, &inbox);
            }
            read_all(it->segment, &inbox);
        }
        if (psn_block_take(it->segment, 1 + (uint64_t)random() % 200000, &ref, &address) ==
            PSN_OK) {
            memset(address, 1, 1);
            psn_block_drop(it->segment, ref);
        }
        if (i % 4 == 3) {
            psn_segment_reclaim(it->segment, &freed);
            psn_segment_memory(it->segment, &memory);
        }
        if (it->queue != NULL) {
            psn_queue_task_done(it->queue);
            psn_queue_wait_message(it->queue, psn_now());
            psn_queue_wait_room(it->queue, psn_now());
            psn_queue_watch(it->queue);
        } else {
            psn_channel_wait_message(it->two, 0);
        }
    }
}

static void prepare(damaged *it) {
    psn_slice slice = {.ref = 0};
    size_t done;
    uint64_t first;
    it->queue = NULL;
    if (random() % 3 == 0) {
        CHECK_STATUS(PSN_OK, psn_channel_create(true, &it->one, &it->two));
        it->segment = psn_channel_segment(it->one);
    } else {
        CHECK_STATUS(PSN_OK, psn_queue_create(random() % 2 == 0 ? 0 : 50, &it->queue));
        it->segment = psn_queue_segment(it->queue);
    }
    for (int i = 0; i < 20; i++) {
        psn_message message = some_message(it->segment, &slice);
        if (it->queue != NULL) {
            CHECK_STATUS(PSN_OK, psn_queue_put(it->queue, &message, 1, 0, &done, &first));
        } else {
            CHECK_STATUS(PSN_OK, psn_channel_send(it->one, &message, 0));
        }
    }
}

static void suffer(void *context) {
    damaged *it = context;
    signal(SIGALRM, on_alarm);
    alarm(SECONDS_EACH);
    srandom(it->seed);
    prepare(it);
    for (int round = 0; round < 3; round++) {
        damage(it->segment->fd);
        use(it);
    }
    if (it->queue != NULL) {
        psn_queue_detach(it->queue);
    } else {
        psn_channel_close(it->one);
        psn_channel_close(it->two);
    }
}

int main(void) {
    begin(120);
    const char *only = getenv("PSN_SEED");
    unsigned first = only != NULL ? (unsigned)strtoul(only, NULL, 10) : (unsigned)psn_now();
    unsigned count = only != NULL ? 1 : repeat(under_sanitizer() ? 100 : 800), bad = 0;
    for (unsigned i = 0; i < count; i++) {
        damaged it = {.seed = first + i};
        int status = end_of(child(suffer, &it), SECONDS_EACH + 10);
        if (status != 0) {
            bad++;
            fprintf(stderr, "PSN_SEED=%u ended with status %#x (%s)\n", it.seed, (unsigned)status,
                    WIFEXITED(status) && WEXITSTATUS(status) == 3 ? "hangs" : "crashed");
        }
    }
    CHECK_EQUAL(0, bad);
    return 0;
}
