/* Linux: memfd, futex, eventfd, /proc. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS UINT64_C(1000000000)

/* ---- memory ---- */

uint64_t psn_os_page_size(void) {
    static psn_atomic64 known;
    uint64_t size = psn_load_relaxed64(&known);
    if (size == 0) {
        size = (uint64_t)sysconf(_SC_PAGESIZE);
        psn_store_relaxed64(&known, size);
    }
    return size;
}

static psn_status status_of_errno(void) {
    return errno == ENOMEM || errno == ENOSPC ? PSN_NO_MEMORY : PSN_SYSTEM;
}

psn_status psn_os_memory_create(uint64_t size, int *fd) {
    int made = memfd_create("procession", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made < 0) {
        return status_of_errno();
    }
    /* Never to shrink: nobody who holds the descriptor can turn our mapping into a SIGBUS. */
    if (ftruncate(made, (off_t)size) != 0 || fcntl(made, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
        int saved = errno;
        close(made);
        errno = saved;
        return status_of_errno();
    }
    *fd = made;
    return PSN_OK;
}

psn_status psn_os_memory_verify(int fd, uint64_t *size) {
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return PSN_SYSTEM;
    }
    if (!S_ISREG(status.st_mode)) {
        return psn_fail(PSN_FOREIGN, "descriptor %d is not a file in memory", fd);
    }
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
        return psn_fail(PSN_FOREIGN, "descriptor %d is not a memfd sealed against shrinking", fd);
    }
    *size = (uint64_t)status.st_size;
    return PSN_OK;
}

psn_status psn_os_memory_reserve(int fd, uint64_t offset, uint64_t length) {
    for (;;) {
        if (fallocate(fd, 0, (off_t)offset, (off_t)length) == 0) {
            return PSN_OK;
        }
        if (errno != EINTR) {
            return status_of_errno();
        }
    }
}

psn_status psn_os_memory_write(int fd, uint64_t offset, const void *from, uint64_t length) {
    const char *next = from;
    while (length > 0) {
        size_t part = length > (1U << 30) ? (1U << 30) : (size_t)length;
        ssize_t written = pwrite(fd, next, part, (off_t)offset);
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return status_of_errno();
        }
        next += written;
        offset += (uint64_t)written;
        length -= (uint64_t)written;
    }
    return PSN_OK;
}

void psn_os_memory_discard(int fd, uint64_t offset, uint64_t length) {
    int saved = errno;
    /* Failing leaves the pages where they are: memory that is kept, nothing that is wrong. */
    while (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                     (off_t)length) != 0 &&
           errno == EINTR) {
    }
    errno = saved;
}

static psn_status map(void *at, int fd, uint64_t offset, uint64_t length, int flags,
                      void **address) {
    void *mapped = mmap(at, length, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);
    if (mapped == MAP_FAILED) {
        return status_of_errno();
    }
    *address = mapped;
    return PSN_OK;
}

psn_status psn_os_memory_map(int fd, uint64_t offset, uint64_t length, void **address) {
    return map(NULL, fd, offset, length, MAP_SHARED, address);
}

psn_status psn_os_memory_remap(int fd, uint64_t offset, uint64_t length, void *address,
                               bool is_private) {
    void *same;
    int flags = MAP_FIXED | (is_private ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED);
    return map(address, fd, offset, length, flags, &same);
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

void psn_os_memory_populate(void *address, uint64_t length) {
    int saved = errno;
    madvise(address, length, MADV_POPULATE_WRITE); /* older: the pages are faulted in one by one */
    errno = saved;
}

void psn_os_memory_unmap(void *address, uint64_t length) {
    munmap(address, length);
}

psn_status psn_os_scratch_map(uint64_t length, void **address) {
    return map(NULL, -1, 0, length, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, address);
}

uint64_t psn_os_memory_backed(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 ? (uint64_t)status.st_blocks * 512 : 0;
}

/* A number from a small file of one, as in the control groups' files; UINT64_MAX when it has none. */
static uint64_t number_in(const char *path) {
    char text[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return UINT64_MAX;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0 || text[0] < '0' || text[0] > '9') {
        return UINT64_MAX; /* "max" */
    }
    text[length] = '\0';
    return strtoull(text, NULL, 10);
}

static uint64_t left_under_limit(const char *limit_path, const char *usage_path) {
    uint64_t limit = number_in(limit_path), usage = number_in(usage_path);
    if (limit == UINT64_MAX || usage == UINT64_MAX) {
        return UINT64_MAX;
    }
    return limit > usage ? limit - usage : 0;
}

static uint64_t available_in_system(void) {
    char text[512];
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return UINT64_MAX;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) {
        return UINT64_MAX;
    }
    text[length] = '\0';
    const char *line = strstr(text, "MemAvailable:");
    if (line == NULL) {
        return UINT64_MAX;
    }
    return strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024;
}

uint64_t psn_os_memory_available(void) {
    uint64_t system = available_in_system();
    uint64_t group = left_under_limit("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current");
    return system < group ? system : group;
}

/* ---- time and processors ---- */

uint64_t psn_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

uint32_t psn_os_cpu(void) {
    int cpu = sched_getcpu();
    return cpu < 0 ? 0 : (uint32_t)cpu;
}

uint32_t psn_os_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        return (uint32_t)CPU_COUNT(&set);
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than the set has room for */
    return online > 0 ? (uint32_t)online : 1;
}

/* ---- sleeping ---- */

static struct timespec time_left(uint64_t deadline) {
    uint64_t now = psn_now();
    uint64_t left = deadline > now ? deadline - now : 0;
    return (struct timespec){.tv_sec = (time_t)(left / NANOSECONDS),
                             .tv_nsec = (long)(left % NANOSECONDS)};
}

psn_status psn_os_futex_wait(psn_atomic32 *word, uint32_t expected, uint64_t deadline) {
    struct timespec left, *limit = NULL;
    if (deadline != PSN_FOREVER) {
        left = time_left(deadline);
        limit = &left;
    }
    if (syscall(SYS_futex, word, FUTEX_WAIT, expected, limit, NULL, 0) == 0 || errno == EAGAIN) {
        return PSN_OK;
    }
    return errno == ETIMEDOUT ? PSN_TIMEOUT : errno == EINTR ? PSN_INTERRUPTED : PSN_SYSTEM;
}

void psn_os_nap(uint64_t nanoseconds) {
    struct timespec time = {.tv_sec = (time_t)(nanoseconds / NANOSECONDS),
                            .tv_nsec = (long)(nanoseconds % NANOSECONDS)};
    int saved = errno;
    nanosleep(&time, NULL);
    errno = saved;
}

void psn_os_futex_wake(psn_atomic32 *word, uint32_t count) {
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAKE, count > INT_MAX ? INT_MAX : (int)count, NULL, NULL, 0);
    errno = saved;
}

/* ---- descriptors that ring ---- */

psn_status psn_os_event_create(int *fd) {
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *fd < 0 ? status_of_errno() : PSN_OK;
}

psn_status psn_os_pipe_create(int *read_fd, int *write_fd) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return status_of_errno();
    }
    *read_fd = ends[0];
    *write_fd = ends[1];
    return PSN_OK;
}

/* A write into a pipe without readers raises SIGPIPE in this thread; it must not get out. */
static void write_without_signal(int fd, const void *data, size_t size) {
    sigset_t pipe_signal, before, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    if (write(fd, data, size) < 0 && errno == EPIPE && !was_pending) {
        struct timespec no_time = {0, 0};
        while (sigtimedwait(&pipe_signal, NULL, &no_time) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void psn_os_ring(int fd) {
    /* Eight bytes are what an eventfd wants, and a pipe takes them in one piece, too; the value
     * is a count for the one and a token for the other. */
    static const uint64_t one = 1;
    int saved = errno;
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
        while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {
        }
    } else {
        write_without_signal(fd, &one, sizeof one);
    }
    errno = saved;
}

void psn_os_quiet_one(int fd) {
    uint64_t token;
    int saved = errno;
    while (read(fd, &token, sizeof token) < 0 && errno == EINTR) {
    }
    errno = saved;
}

void psn_os_quiet(int fd) {
    char tokens[512];
    int saved = errno;
    for (;;) {
        ssize_t got = read(fd, tokens, sizeof tokens);
        if (got < (ssize_t)sizeof tokens && !(got < 0 && errno == EINTR)) {
            break;
        }
    }
    errno = saved;
}

psn_status psn_os_wait_readable(int fd, uint64_t deadline, psn_os_ready *ready) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    struct timespec left, *limit = NULL;
    if (deadline != PSN_FOREVER) {
        left = time_left(deadline);
        limit = &left;
    }
    int count = ppoll(&entry, 1, limit, NULL);
    ready->readable = count > 0 && (entry.revents & POLLIN) != 0;
    ready->hung_up = count > 0 && (entry.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
    if (count > 0) {
        return PSN_OK;
    }
    return count == 0 ? PSN_TIMEOUT : errno == EINTR ? PSN_INTERRUPTED : PSN_SYSTEM;
}

static_assert(sizeof(psn_os_polled) == sizeof(struct pollfd) && PSN_OS_READABLE == POLLIN &&
                  offsetof(psn_os_polled, wanted) == offsetof(struct pollfd, events) &&
                  offsetof(psn_os_polled, found) == offsetof(struct pollfd, revents),
              "handed to the system as they are");

psn_status psn_os_poll(psn_os_polled *entries, size_t count, uint64_t deadline) {
    struct timespec left, *limit = NULL;
    if (deadline != PSN_FOREVER) {
        left = deadline == 0 ? (struct timespec){0, 0} : time_left(deadline);
        limit = &left;
    }
    int found = ppoll((struct pollfd *)(void *)entries, (nfds_t)count, limit, NULL);
    if (found >= 0) {
        return found > 0 ? PSN_OK : PSN_TIMEOUT;
    }
    return errno == EINTR ? PSN_INTERRUPTED : status_of_errno();
}

bool psn_os_reader_gone(int write_fd) {
    struct pollfd entry = {.fd = write_fd, .events = 0};
    return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLERR | POLLHUP)) != 0;
}

static void path_of(int fd, char *path, size_t size) {
    snprintf(path, size, "/proc/self/fd/%d", fd);
}

int psn_os_pipe_weak(int fd) {
    char path[64];
    path_of(fd, path, sizeof path);
    return open(path, O_PATH | O_CLOEXEC);
}

psn_status psn_os_pipe_strong(int weak_fd, bool writes, int *fd) {
    char path[64];
    path_of(weak_fd, path, sizeof path);
    int opened = open(path, (writes ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
    if (opened < 0) {
        return errno == ENXIO ? PSN_BROKEN : PSN_SYSTEM;
    }
    if (!writes) {
        /* When all ends were closed in the meantime this is a new pipe, which the kernel does not
         * call hung up before it has had a writer: let it have had one. */
        psn_os_close(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    }
    *fd = opened;
    return PSN_OK;
}

void psn_os_close(int fd) {
    if (fd >= 0) {
        int saved = errno;
        close(fd);
        errno = saved;
    }
}

bool psn_os_descriptor_is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

/* ---- processes ---- */

/* Field 22 of /proc/<pid>/stat (proc(5)), counted from the end of the name, which may hold
 * spaces and brackets. *ended: the process is a zombie or gone, its memory is released. A first
 * thread that has ended before the others is a zombie, too, but not yet alone (field 20). */
static uint64_t birth_of(uint32_t pid, bool *ended) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) {
        return 0;
    }
    text[length] = '\0';
    char *field = strrchr(text, ')');
    if (field == NULL || field[1] != ' ') {
        return 0;
    }
    field += 2;
    bool is_zombie = *field == 'Z' || *field == 'X' || *field == 'x';
    for (int number = 3; number < 22; number++) {
        if (number == 20) {
            *ended = is_zombie && strtoull(field, NULL, 10) <= 1;
        }
        field = strchr(field, ' ');
        if (field == NULL) {
            return 0;
        }
        field++;
    }
    return strtoull(field, NULL, 10);
}

static uint64_t own_namespace(void) {
    struct stat status;
    return stat("/proc/self/ns/pid", &status) == 0 ? (uint64_t)status.st_ino : 0;
}

void psn_os_self(psn_os_identity *self) {
    bool ended = false;
    self->pid = (uint32_t)getpid();
    self->reserved = 0;
    self->birth = birth_of(self->pid, &ended);
    self->namespace = own_namespace();
}

bool psn_os_is_alive(const psn_os_identity *identity) {
    if (identity->namespace != own_namespace()) {
        return true; /* its pid means nothing here */
    }
    if (kill((pid_t)identity->pid, 0) != 0 && errno == ESRCH) {
        return false;
    }
    bool ended = false;
    uint64_t birth = birth_of(identity->pid, &ended);
    if (birth == 0 || identity->birth == 0) {
        return true; /* no /proc to ask: memory may be kept too long, never taken too soon */
    }
    return !ended && birth == identity->birth;
}

int psn_os_at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void)) {
    return pthread_atfork(before, in_parent, in_child);
}
