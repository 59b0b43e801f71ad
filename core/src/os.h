/* The only door to the operating system.
 *
 * Once for all of it: offsets and lengths are multiples of the page size where memory is
 * meant; pointers are not null; a psn_status comes back, with errno set for PSN_SYSTEM;
 * descriptors are close-on-exec. Deadlines are on psn_now's clock, PSN_FOREVER for none.
 * A port is one more set of files beside os_linux_*.c.
 */
#ifndef PSN_OS_H
#define PSN_OS_H

#include "atomic.h"
#include "status.h"

/* ---- memory ---- */
uint64_t psn_os_page_size(void);
/* Anonymous memory behind a descriptor: `size` bytes, none of them backed yet, never to shrink. */
psn_status psn_os_memory_create(uint64_t size, int *fd);
/* Is it such a descriptor? *size = its size. */
psn_status psn_os_memory_verify(int fd, uint64_t *size);
/* Backs a range with pages (grows the file), so that later stores cannot fail. */
psn_status psn_os_memory_reserve(int fd, uint64_t offset, uint64_t length);
/* Backs a range by writing to it: cheaper than reserving, mapping and storing. */
psn_status psn_os_memory_write(int fd, uint64_t offset, const void *from, uint64_t length);
/* Gives the range's pages back; it reads as zero afterwards. */
void psn_os_memory_discard(int fd, uint64_t offset, uint64_t length);
psn_status psn_os_memory_map(int fd, uint64_t offset, uint64_t length, void **address);
/* Replaces a mapping in place: writes stay in this process (private) or are shared again. */
psn_status psn_os_memory_remap(int fd, uint64_t offset, uint64_t length, void *address,
                               bool is_private);
/* Puts pages that are there into this process' page table, writable; as far as the system can. */
void psn_os_memory_populate(void *address, uint64_t length);
void psn_os_memory_unmap(void *address, uint64_t length);
/* Zeroed memory of this process alone, backed only where it is touched. */
psn_status psn_os_scratch_map(uint64_t length, void **address);
/* What may be asked for without waking the out-of-memory killer, as far as the system tells. */
uint64_t psn_os_memory_available(void);
/* Bytes of the file that are backed. */
uint64_t psn_os_memory_backed(int fd);

/* ---- time and processors ---- */
uint32_t psn_os_cpu(void);       /* on which this thread runs, a hint */
uint32_t psn_os_cpu_count(void); /* on which this process may run */

/* A cheap clock of unknown unit, some 1 to 3 to a nanosecond. */
static inline uint64_t psn_os_ticks(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks; /* counts at 24 MHz to 1 GHz */
    __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks * 16;
#else
    return psn_now() * 2;
#endif
}

/* ---- sleeping ---- */
/* PSN_OK: woken, or the word was not `expected`. */
psn_status psn_os_futex_wait(psn_atomic32 *word, uint32_t expected, uint64_t deadline);
void psn_os_nap(uint64_t nanoseconds); /* may be shorter */
void psn_os_futex_wake(psn_atomic32 *word, uint32_t count);

/* ---- descriptors that ring ---- */
typedef struct {
    bool readable;
    bool hung_up; /* nobody is left at the other side */
} psn_os_ready;

psn_status psn_os_event_create(int *fd);
psn_status psn_os_pipe_create(int *read_fd, int *write_fd);
void psn_os_ring(int fd);  /* event or pipe: makes it readable, never blocks, never raises SIGPIPE */
void psn_os_quiet(int fd); /* takes everything that was rung */
void psn_os_quiet_one(int fd);
psn_status psn_os_wait_readable(int fd, uint64_t deadline, psn_os_ready *ready);
/* Many at once, as poll(2) has them: fd -1 is skipped, `found` has other bits for a hang-up or an
 * error. PSN_OK: some are found. A deadline of 0 has passed, without asking the clock. */
typedef struct {
    int fd;
    int16_t wanted, found;
} psn_os_polled;
#define PSN_OS_READABLE 1
psn_status psn_os_poll(psn_os_polled *entries, size_t count, uint64_t deadline);
bool psn_os_reader_gone(int write_fd);
/* A descriptor that names the same pipe without counting as one of its ends; -1 where impossible. */
int psn_os_pipe_weak(int fd);
/* An end again, from a weak descriptor. */
psn_status psn_os_pipe_strong(int weak_fd, bool writes, int *fd);
void psn_os_close(int fd);
bool psn_os_descriptor_is_open(int fd);

/* ---- threads ---- */
/* The kernel's number of the calling thread. */
uint32_t psn_os_thread(void);
/* By which the kernel knows what the thread holds (get_robust_list(2)); NULL where it does not tell. */
struct robust_list_head *psn_os_robust_list(void);

/* ---- processes ---- */
/* Names a process for as long as the machine runs: a pid alone may be given out again. */
typedef struct {
    uint32_t pid;
    uint32_t reserved;
    uint64_t birth;     /* start time in clock ticks since boot; 0 = unknown */
    uint64_t namespace; /* of its pid */
} psn_os_identity;

void psn_os_self(psn_os_identity *self);
/* True unless it is certain that the process has ended. */
bool psn_os_is_alive(const psn_os_identity *identity);
/* Registers what runs around every fork of this process (pthread_atfork). */
int psn_os_at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

#endif
