/* Linux: which process and thread this is, and whether another process is alive, from /proc. */
#include "os_linux.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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

uint32_t psn_os_thread(void) {
    return (uint32_t)syscall(SYS_gettid);
}

struct robust_list_head *psn_os_robust_list(void) {
    struct robust_list_head *list = NULL;
    size_t size = 0;
    int saved = errno;
    bool told = syscall(SYS_get_robust_list, 0, &list, &size) == 0 && size == sizeof *list;
    errno = saved; /* a sandbox that forbids it is no error of the caller's */
    return told ? list : NULL;
}

int psn_os_at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void)) {
    return pthread_atfork(before, in_parent, in_child);
}
