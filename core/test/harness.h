/* What every test program uses: checks that name their line, children, deadlines, counting.
 *
 * A test is a program that returns 0 (passed), 77 (the system lacks something) or fails a check,
 * which prints and exits 1. Nothing may hang: begin() arms a guard that ends the program, and
 * children die with their parent.
 */
#ifndef PSN_TEST_HARNESS_H
#define PSN_TEST_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "procession.h"

#define MILLISECOND (UINT64_C(1000) * 1000)
#define SECOND (UINT64_C(1000) * MILLISECOND)

/* ---- checks ---- */
void fail_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));
/* Called before a failure ends the program, to say more. */
void set_failure_note(void (*note)(void));
#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition)                     \
    do {                                     \
        if (!(condition)) {                  \
            FAIL("not true: %s", #condition); \
        }                                    \
    } while (0)
void check_equal_at(const char *file, int line, const char *what, uint64_t expected,
                    uint64_t actual);
#define CHECK_EQUAL(expected, actual) \
    check_equal_at(__FILE__, __LINE__, #actual, (uint64_t)(expected), (uint64_t)(actual))
void check_status_at(const char *file, int line, const char *what, psn_status expected,
                     psn_status actual);
#define CHECK_STATUS(expected, call) check_status_at(__FILE__, __LINE__, #call, (expected), (call))

/* ---- the program ---- */
/* Ends the program with a failure after so many seconds. */
void begin(unsigned guard_seconds);
/* From the environment, e.g. PSN_REPEAT=1000; `usual` when it is not set. */
unsigned repeat(unsigned usual);
bool under_sanitizer(void);
uint64_t in_future(uint64_t nanoseconds); /* a deadline */
uint64_t patience(void); /* survivors of a kill need less than this to go on, in nanoseconds */

/* ---- children ---- */
typedef void (*child_body)(void *context);
/* Forks; the child runs the body and exits 0, or 1 when one of its checks fails. */
pid_t child(child_body body, void *context);
/* Waits for the end, at most `seconds` (then fails); the wait status. */
int end_of(pid_t pid, unsigned seconds);
void ends_well(pid_t pid);
void ends_killed(pid_t pid);
/* Waits on a condition of another process, looking again and again; fails after 20 s. */
#define EVENTUALLY(condition)                              \
    do {                                                   \
        uint64_t until_ = in_future(20 * SECOND);          \
        while (!(condition)) {                             \
            if (psn_now() > until_) {                      \
                FAIL("never became true: %s", #condition); \
            }                                              \
            usleep(500);                                   \
        }                                                  \
    } while (0)
/* Zeroed memory that forked children share with their parent. */
void *shared_memory(size_t size);

/* ---- counting ---- */
unsigned count_descriptors(void);
unsigned count_maps(void);
bool is_readable(int fd); /* now */
psn_memory memory_of(psn_segment *segment); /* now */

/* ---- messages with a known content ---- */
typedef struct {
    uint32_t producer, length; /* of the whole payload */
    uint64_t number;
    uint64_t checksum; /* of what follows */
    unsigned char bytes[];
} numbered;
/* Fills a payload of `length` bytes (at least sizeof(numbered)). */
void number_fill(void *payload, size_t length, uint32_t producer, uint64_t number);
/* Fails unless it is intact. */
const numbered *number_check(const void *payload, size_t length);
/* For blocks: bytes that follow from a seed. */
void pattern_fill(void *to, size_t length, uint64_t seed);
bool pattern_is(const void *from, size_t length, uint64_t seed);

/* Puts one message, waiting for room and through signals. */
psn_status put_bytes(psn_queue *queue, const void *data, size_t size, uint64_t deadline);
psn_status put_number(psn_queue *queue, uint32_t producer, uint64_t number, size_t length);
psn_status put_block(psn_queue *queue, uint32_t producer, uint64_t number, size_t block_size);
/* Takes one message into an inbox that is cleared first, waiting for it and through signals. */
psn_status take_one(psn_queue *queue, psn_inbox *inbox, psn_message *message, uint64_t deadline);
/* Takes one message of put_number; fails if there is none for 20 s. */
uint64_t take_number(psn_queue *queue, uint32_t *producer);
/* The blocks of one message: opens each, checks the pattern that put_block gave it, releases. */
void check_blocks(psn_segment *segment, const psn_message *message, uint64_t seed);

#endif
