/* Checks, children and numbered messages. */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer (GCC 12) does not know that pthread_mutex_timedlock has locked when it returns
 * EOWNERDEAD, and takes the unlock of a lock that was left by a dead process for a mistake. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
    return "mutex:psn_mutex_unlock\n";
}
#endif

/* ---- checks ---- */

static void (*failure_note)(void);

void set_failure_note(void (*note)(void)) {
    failure_note = note;
}

void fail_at(const char *file, int line, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: %s (process %d, errno %d, detail: %s)\n", file, line, text, getpid(),
            errno, psn_last_detail());
    if (failure_note != NULL) {
        failure_note();
    }
    fflush(stderr);
    _exit(1);
}

void check_equal_at(const char *file, int line, const char *what, uint64_t expected,
                    uint64_t actual) {
    if (expected != actual) {
        fail_at(file, line, "%s is %llu, not %llu", what, (unsigned long long)actual,
                (unsigned long long)expected);
    }
}

void check_status_at(const char *file, int line, const char *what, psn_status expected,
                     psn_status actual) {
    if (expected != actual) {
        fail_at(file, line, "%s: \"%s\" (%d), not \"%s\" (%d)", what, psn_status_text(actual),
                (int)actual, psn_status_text(expected), (int)expected);
    }
}

/* ---- the program ---- */

static void on_guard(int signal_number) {
    static const char text[] = "the guard ended a test that hangs\n";
    (void)signal_number;
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit(1);
}

void begin(unsigned guard_seconds) {
    struct sigaction action = {.sa_handler = on_guard};
    sigaction(SIGALRM, &action, NULL);
    const char *given = getenv("PSN_REPEAT");
    alarm(given == NULL ? guard_seconds : 0); /* a long run has its own patience */
}

unsigned repeat(unsigned usual) {
    const char *given = getenv("PSN_REPEAT");
    return given == NULL ? usual : (unsigned)strtoul(given, NULL, 10);
}

bool under_sanitizer(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return false;
#endif
}

uint64_t in_future(uint64_t nanoseconds) {
    return psn_now() + nanoseconds;
}

uint64_t patience(void) {
    return under_sanitizer() ? 20 * SECOND : 2 * SECOND;
}

/* ---- children ---- */

pid_t child(child_body body, void *context) {
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1);
        }
        begin(55);
        body(context);
        _exit(0);
    }
    return pid;
}

int end_of(pid_t pid, unsigned seconds) {
    uint64_t until = in_future(seconds * SECOND), pause = 20 * 1000;
    int status;
    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid) {
            return status;
        }
        CHECK(got == 0 || errno == EINTR);
        if (psn_now() > until) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            FAIL("process %d did not end in %u seconds", pid, seconds);
        }
        struct timespec nap = {.tv_nsec = (long)pause};
        nanosleep(&nap, NULL);
        pause = pause < 2000 * 1000 ? pause * 2 : pause;
    }
}

void ends_well(pid_t pid) {
    int status = end_of(pid, 50);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        FAIL("process %d ended with status %#x", pid, (unsigned)status);
    }
}

void ends_killed(pid_t pid) {
    int status = end_of(pid, 50);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        FAIL("process %d ended with status %#x, not by SIGKILL", pid, (unsigned)status);
    }
}

void *shared_memory(size_t size) {
    void *address =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(address != MAP_FAILED);
    return address;
}

/* ---- counting ---- */

unsigned count_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    unsigned count = 0;
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count - 3; /* . and .. and the folder itself */
}

unsigned count_maps(void) {
    FILE *file = fopen("/proc/self/maps", "r");
    CHECK(file != NULL);
    char line[512];
    unsigned count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        count += strstr(line, "memfd:procession") != NULL;
    }
    fclose(file);
    return count;
}

bool is_readable(int fd) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    return poll(&entry, 1, 0) == 1;
}

psn_memory memory_of(psn_segment *segment) {
    psn_memory memory;
    psn_segment_memory(segment, &memory);
    return memory;
}

/* ---- messages with a known content ---- */

static uint64_t mix(uint64_t value) {
    value = (value ^ value >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    return value ^ value >> 29;
}

void pattern_fill(void *to, size_t length, uint64_t seed) {
    unsigned char *bytes = to;
    uint64_t state = mix(seed + 1);
    size_t i = 0;
    for (; i + sizeof state <= length; i += sizeof state) {
        memcpy(bytes + i, &state, sizeof state);
        state += UINT64_C(0x9e3779b97f4a7c15);
    }
    memcpy(bytes + i, &state, length - i);
}

bool pattern_is(const void *from, size_t length, uint64_t seed) {
    const unsigned char *bytes = from;
    uint64_t state = mix(seed + 1);
    size_t i = 0;
    for (; i + sizeof state <= length; i += sizeof state) {
        if (memcmp(bytes + i, &state, sizeof state) != 0) {
            return false;
        }
        state += UINT64_C(0x9e3779b97f4a7c15);
    }
    return memcmp(bytes + i, &state, length - i) == 0;
}

static uint64_t checksum_of(uint32_t producer, uint64_t number, size_t length) {
    return mix(mix(producer) ^ mix(number) ^ length);
}

void number_fill(void *payload, size_t length, uint32_t producer, uint64_t number) {
    CHECK(length >= sizeof(numbered));
    numbered *made = payload;
    made->producer = producer;
    made->length = (uint32_t)length;
    made->number = number;
    made->checksum = checksum_of(producer, number, length);
    pattern_fill(made->bytes, length - sizeof *made, made->checksum);
}

const numbered *number_check(const void *payload, size_t length) {
    const numbered *got = payload;
    CHECK(length >= sizeof *got);
    CHECK_EQUAL(length, got->length);
    CHECK_EQUAL(checksum_of(got->producer, got->number, length), got->checksum);
    CHECK(pattern_is(got->bytes, length - sizeof *got, got->checksum));
    return got;
}

static psn_status put_message(psn_queue *queue, const psn_message *message, uint64_t deadline) {
    for (;;) {
        size_t done;
        uint64_t first;
        psn_status status = psn_queue_put(queue, message, 1, 0, &done, &first);
        if (status == PSN_FULL) {
            status = psn_queue_wait_room(queue, deadline);
            if (status == PSN_OK || status == PSN_INTERRUPTED) {
                continue;
            }
        }
        return status;
    }
}

psn_status put_bytes(psn_queue *queue, const void *data, size_t size, uint64_t deadline) {
    psn_message message = {.size = (uint32_t)size, .data = data};
    return put_message(queue, &message, deadline);
}

psn_status put_number(psn_queue *queue, uint32_t producer, uint64_t number, size_t length) {
    _Alignas(8) char small[4096];
    char *payload = length <= sizeof small ? small : malloc(length);
    CHECK(payload != NULL);
    number_fill(payload, length, producer, number);
    psn_status status = put_bytes(queue, payload, length, PSN_FOREVER);
    if (payload != small) {
        free(payload);
    }
    return status;
}

psn_status put_block(psn_queue *queue, uint32_t producer, uint64_t number, size_t block_size) {
    _Alignas(8) char payload[sizeof(numbered)];
    void *bytes = malloc(block_size);
    CHECK(bytes != NULL);
    number_fill(payload, sizeof payload, producer, number);
    pattern_fill(bytes, block_size, number);
    psn_slice slice = {.length = block_size};
    psn_segment *segment = psn_queue_segment(queue);
    psn_status status = psn_block_fill(segment, bytes, block_size, &slice.ref);
    free(bytes);
    if (status != PSN_OK) {
        return status;
    }
    psn_message message = {
        .slice_count = 1, .size = sizeof payload, .data = payload, .slices = &slice};
    status = put_message(queue, &message, PSN_FOREVER);
    if (status != PSN_OK) {
        psn_block_drop(segment, slice.ref);
    }
    return status;
}

psn_status take_one(psn_queue *queue, psn_inbox *inbox, psn_message *message, uint64_t deadline) {
    for (;;) {
        psn_inbox_clear(inbox);
        psn_status status = psn_queue_take(queue, 1, 0, -1, inbox);
        if (status == PSN_OK) {
            size_t cursor = 0;
            CHECK(psn_inbox_next(inbox, &cursor, message));
            return PSN_OK;
        }
        if (status == PSN_EMPTY) {
            status = psn_queue_wait_message(queue, deadline);
            if (status == PSN_OK || status == PSN_INTERRUPTED) {
                continue;
            }
        }
        return status;
    }
}

uint64_t take_number(psn_queue *queue, uint32_t *producer) {
    psn_inbox inbox;
    psn_message message;
    psn_inbox_init(&inbox);
    CHECK_STATUS(PSN_OK, take_one(queue, &inbox, &message, in_future(20 * SECOND)));
    const numbered *got = number_check(message.data, message.size);
    uint64_t number = got->number;
    if (producer != NULL) {
        *producer = got->producer;
    }
    check_blocks(psn_queue_segment(queue), &message, number);
    psn_inbox_clear(&inbox);
    return number;
}

void check_blocks(psn_segment *segment, const psn_message *message, uint64_t seed) {
    for (uint32_t i = 0; i < message->slice_count; i++) {
        psn_hold *hold;
        CHECK_STATUS(PSN_OK, psn_hold_open(segment, message->slices[i], &hold));
        uint64_t length = message->slices[i].length & ~PSN_SLICE_PRIVATE;
        CHECK(pattern_is(psn_hold_address(hold), (size_t)length, seed));
        psn_hold_release(hold);
    }
}
