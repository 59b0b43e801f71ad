/* Description: without descriptors, address space or room in the file every call says so, and the
 * queue goes on with everything that it had. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "harness.h"

static void limit(int resource, rlim_t value) {
    struct rlimit both;
    CHECK(getrlimit(resource, &both) == 0);
    both.rlim_cur = value;
    CHECK(setrlimit(resource, &both) == 0);
}

static void channel_needs_five(unsigned free_descriptors) {
    psn_channel *one, *two;
    unsigned used = count_descriptors();
    psn_status status = psn_channel_create(true, &one, &two);
    if (free_descriptors < 5) {
        CHECK_STATUS(PSN_SYSTEM, status);
        CHECK_EQUAL(EMFILE, errno);
    } else {
        CHECK_STATUS(PSN_OK, status);
        psn_channel_close(one);
        psn_channel_close(two);
    }
    CHECK_EQUAL(used, count_descriptors());
}

static void without_descriptors(void *context) {
    psn_queue *queue;
    int fds[64], count = 0;
    (void)context;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    CHECK_STATUS(PSN_OK, put_number(queue, 1, 0, 100));
    limit(RLIMIT_NOFILE, 64);
    do {
        CHECK(count < 64);
        fds[count] = dup(STDERR_FILENO);
    } while (fds[count++] >= 0);
    count--;
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 1, 200000));
    CHECK_EQUAL(0, take_number(queue, NULL));
    CHECK_EQUAL(1, take_number(queue, NULL));
    psn_queue *none;
    CHECK_STATUS(PSN_SYSTEM, psn_queue_create(0, &none));
    close(fds[--count]);
    CHECK_STATUS(PSN_SYSTEM, psn_queue_create(0, &none));
    CHECK_EQUAL(EMFILE, errno);
    for (unsigned free_descriptors = 1; free_descriptors < 6; free_descriptors++) {
        channel_needs_five(free_descriptors); /* one of them is free for counting, too */
        close(fds[--count]);
    }
}

static void fill_up(psn_queue *queue, size_t length, psn_status expected, int expected_errno) {
    uint64_t number = 0;
    psn_status status;
    while ((status = put_number(queue, 1, number, length)) == PSN_OK) {
        CHECK(++number < 100000);
    }
    int error = errno;
    CHECK_STATUS(expected, status);
    CHECK_EQUAL(expected_errno, error);
    CHECK_EQUAL(number, psn_queue_size(queue));
    psn_ref ref;
    void *address;
    CHECK(psn_block_take(psn_queue_segment(queue), 64 << 20, &ref, &address) != PSN_OK);
    /* nothing is lost, and what is taken out makes room again */
    for (uint64_t i = 0; i < number; i++) {
        CHECK_EQUAL(i, take_number(queue, NULL));
    }
    CHECK_STATUS(PSN_OK, put_number(queue, 1, 9, 1000));
    CHECK_EQUAL(9, take_number(queue, NULL));
}

static void without_address_space(void *context) {
    psn_queue *queue;
    (void)context;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    struct rlimit both;
    CHECK(getrlimit(RLIMIT_AS, &both) == 0);
    limit(RLIMIT_AS, 64 << 20);
    fill_up(queue, 3000, PSN_NO_MEMORY, ENOMEM);
}

static void without_file_size(void *context) {
    psn_queue *queue;
    (void)context;
    signal(SIGXFSZ, SIG_IGN); /* as Python does */
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    limit(RLIMIT_FSIZE, 8 << 20);
    fill_up(queue, 3000, PSN_SYSTEM, EFBIG);
    psn_memory memory;
    psn_segment_memory(psn_queue_segment(queue), &memory);
    CHECK_EQUAL(1, memory.used_blocks);
}

static void too_large_for_any_machine(void *context) {
    psn_queue *queue;
    psn_ref ref;
    void *address;
    (void)context;
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    CHECK_STATUS(PSN_NO_MEMORY,
                 psn_block_take(psn_queue_segment(queue), UINT64_MAX / 2, &ref, &address));
    CHECK_STATUS(PSN_NO_MEMORY,
                 psn_block_take(psn_queue_segment(queue), UINT64_C(1) << 44, &ref, &address));
    CHECK_EQUAL(ENOMEM, errno);
    CHECK_STATUS(PSN_OK, put_block(queue, 1, 1, 200000));
    CHECK_EQUAL(1, take_number(queue, NULL));
}

int main(void) {
    begin(60);
    ends_well(child(without_descriptors, NULL));
    if (!under_sanitizer()) { /* which reserve address space of their own */
        ends_well(child(without_address_space, NULL));
    }
    ends_well(child(without_file_size, NULL));
    ends_well(child(too_large_for_any_machine, NULL));
    return 0;
}
