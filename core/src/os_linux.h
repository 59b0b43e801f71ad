/* What the files of the Linux port share. */
#ifndef PSN_OS_LINUX_H
#define PSN_OS_LINUX_H

#include "os.h"

#include <errno.h>
#include <time.h>

#define PSN_OS_NANOSECONDS UINT64_C(1000000000)

static inline psn_status psn_os_status_of_errno(void) {
    return errno == ENOMEM || errno == ENOSPC ? PSN_NO_MEMORY : PSN_SYSTEM;
}

static inline struct timespec psn_os_time_left(uint64_t deadline) {
    uint64_t now = psn_now();
    uint64_t left = deadline > now ? deadline - now : 0;
    return (struct timespec){.tv_sec = (time_t)(left / PSN_OS_NANOSECONDS),
                             .tv_nsec = (long)(left % PSN_OS_NANOSECONDS)};
}

#endif
