/* Linux: the clock, the processors, and sleeping on a futex. */
#include "os_linux.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t psn_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * PSN_OS_NANOSECONDS + (uint64_t)now.tv_nsec;
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

psn_status psn_os_futex_wait(psn_atomic32 *word, uint32_t expected, uint64_t deadline) {
    struct timespec left, *limit = NULL;
    if (deadline != PSN_FOREVER) {
        left = psn_os_time_left(deadline);
        limit = &left;
    }
    if (syscall(SYS_futex, word, FUTEX_WAIT, expected, limit, NULL, 0) == 0 || errno == EAGAIN) {
        return PSN_OK;
    }
    return errno == ETIMEDOUT ? PSN_TIMEOUT : errno == EINTR ? PSN_INTERRUPTED : PSN_SYSTEM;
}

void psn_os_nap(uint64_t nanoseconds) {
    struct timespec time = {.tv_sec = (time_t)(nanoseconds / PSN_OS_NANOSECONDS),
                            .tv_nsec = (long)(nanoseconds % PSN_OS_NANOSECONDS)};
    int saved = errno;
    nanosleep(&time, NULL);
    errno = saved;
}

void psn_os_futex_wake(psn_atomic32 *word, uint32_t count) {
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAKE, count > INT_MAX ? INT_MAX : (int)count, NULL, NULL, 0);
    errno = saved;
}
