/* Linux: memory behind a memfd, its mappings, and how much of it may be had. */
#include "os_linux.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t psn_os_page_size(void) {
    static psn_atomic64 known;
    uint64_t size = psn_load_relaxed64(&known);
    if (size == 0) {
        size = (uint64_t)sysconf(_SC_PAGESIZE);
        psn_store_relaxed64(&known, size);
    }
    return size;
}

psn_status psn_os_memory_create(uint64_t size, int *fd) {
    int made = memfd_create("procession", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made < 0) {
        return psn_os_status_of_errno();
    }
    /* Never to shrink: nobody who holds the descriptor can turn our mapping into a SIGBUS. */
    if (ftruncate(made, (off_t)size) != 0 || fcntl(made, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
        int saved = errno;
        close(made);
        errno = saved;
        return psn_os_status_of_errno();
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
            return psn_os_status_of_errno();
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
            return psn_os_status_of_errno();
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
        return psn_os_status_of_errno();
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
