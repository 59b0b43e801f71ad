/* Linux: descriptors that ring (eventfd, pipes), waiting for them, naming them in /proc. */
#include "os_linux.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

psn_status psn_os_event_create(int *fd) {
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *fd < 0 ? psn_os_status_of_errno() : PSN_OK;
}

psn_status psn_os_pipe_create(int *read_fd, int *write_fd) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return psn_os_status_of_errno();
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
        left = psn_os_time_left(deadline);
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
        left = deadline == 0 ? (struct timespec){0, 0} : psn_os_time_left(deadline);
        limit = &left;
    }
    int found = ppoll((struct pollfd *)(void *)entries, (nfds_t)count, limit, NULL);
    if (found >= 0) {
        return found > 0 ? PSN_OK : PSN_TIMEOUT;
    }
    return errno == EINTR ? PSN_INTERRUPTED : psn_os_status_of_errno();
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
