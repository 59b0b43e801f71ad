/* A channel: two lanes, and a pipe(2) for each that says when the other side is gone.
 *
 * Messages go through shared memory. The pipe of a direction has two tasks: to wake a receiver
 * that sleeps (a byte, only when one sleeps), and to tell the end of file, which the kernel does
 * exactly when the last copy of the writing end is closed, by whatever death.
 */
#include <errno.h>
#include <stdlib.h>

#include "kill_point.h"
#include "source.h"

/* Bytes under way before a sender waits: enough to keep both sides busy, little enough to stay in
 * the cache. A single message may be larger. */
#define BACKLOG_BYTES (UINT64_C(4) << 20)
#define LOOK_AFTER_TICKS UINT64_C(500000) /* some 200 microseconds */
#define BROKEN_CHECK_NANOSECONDS (UINT64_C(50) * 1000 * 1000)

struct psn_channel {
    psn_segment *segment;
    psn_lane_handle in, out; /* valid where the descriptor below is not -1 */
    int in_fd, out_fd;       /* strong: this process counts as a holder of the end */
    int weak_in_fd, weak_out_fd;
    psn_atomic32 is_weak;
    psn_atomic32 waiting; /* threads asleep on the descriptors: no time to weaken */
    unsigned end;
    bool sends; /* a direction that was broken while weak has no descriptor any more */
    psn_atomic32 seen_closes; /* of the out lane, when its reader was last known to be there */
    psn_atomic64 looked_at;   /* psn_os_ticks then */
};

static psn_bell in_bell(const psn_channel *channel) {
    return (psn_bell){.ring_fd = -1, .listen_fd = channel->in_fd};
}

/* ---- opening and closing ---- */

static psn_status open_end(psn_segment *segment, unsigned end, int in_fd, int out_fd,
                           psn_channel **channel) {
    psn_channel *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return PSN_NO_MEMORY;
    }
    made->segment = segment;
    made->end = end;
    made->in_fd = in_fd;
    made->out_fd = out_fd;
    made->sends = out_fd >= 0;
    made->weak_in_fd = made->weak_out_fd = -1;
    psn_lane_open(&made->in, segment, 1 - end); /* a direction has the number of its sender */
    psn_lane_open(&made->out, segment, end);
    psn_store_relaxed32(&made->seen_closes, psn_load_acquire32(&made->out.shared->closes));
    *channel = made;
    return PSN_OK;
}

/* A channel of one direction has the other lane, too: a page, less than a special case. */
static psn_status make_segment(psn_segment **segment) {
    psn_status status = psn_segment_create(PSN_SEGMENT_CHANNEL, PSN_LANES, segment);
    if (status != PSN_OK) {
        return status;
    }
    status = psn_lane_init(*segment, 0, 0, BACKLOG_BYTES);
    if (status == PSN_OK) {
        status = psn_lane_init(*segment, 1, 0, BACKLOG_BYTES);
    }
    if (status != PSN_OK) {
        psn_segment_release(*segment);
    }
    return status;
}

psn_status psn_channel_create(bool duplex, psn_channel **first, psn_channel **second) {
    int fds[4] = {-1, -1, -1, -1}; /* second to first: read, write; first to second: read, write */
    psn_segment *segment = NULL;
    psn_status status = psn_os_pipe_create(&fds[0], &fds[1]);
    if (status == PSN_OK && duplex) {
        status = psn_os_pipe_create(&fds[2], &fds[3]);
    }
    if (status == PSN_OK) {
        status = make_segment(&segment);
    }
    if (status == PSN_OK) {
        status = open_end(segment, 0, fds[0], fds[3], first);
        if (status == PSN_OK) {
            status = open_end(segment, 1, fds[2], fds[1], second);
            if (status == PSN_OK) {
                psn_segment_keep(segment);
                return PSN_OK;
            }
            free(*first);
        }
        psn_segment_release(segment);
    }
    int saved = errno;
    for (int i = 0; i < 4; i++) {
        psn_os_close(fds[i]);
    }
    errno = saved;
    return status;
}

psn_status psn_channel_attach(int memory_fd, int in_fd, int out_fd, unsigned end,
                              psn_channel **channel) {
    if (end > 1 || (in_fd < 0 && out_fd < 0) || (in_fd >= 0 && !psn_os_descriptor_is_open(in_fd)) ||
        (out_fd >= 0 && !psn_os_descriptor_is_open(out_fd))) {
        errno = EBADF;
        return PSN_SYSTEM;
    }
    psn_segment *segment;
    psn_status status = psn_segment_attach(memory_fd, PSN_SEGMENT_CHANNEL, &segment);
    if (status == PSN_OK) {
        status = open_end(segment, end, in_fd, out_fd, channel);
        if (status != PSN_OK) {
            segment->fd = -1; /* stays the caller's */
            psn_segment_release(segment);
        }
    }
    return status;
}

void psn_channel_close(psn_channel *channel) {
    if (channel->in_fd >= 0) {
        psn_lane *in = channel->in.shared;
        psn_os_close(channel->in_fd);
        psn_add_acq_rel32(&in->closes, 1); /* a sender looks whether a reader is left */
        psn_event_wake(&in->has_room, UINT32_MAX);
    }
    psn_os_close(channel->out_fd);
    psn_os_close(channel->weak_in_fd);
    psn_os_close(channel->weak_out_fd);
    psn_segment_release(channel->segment);
    free(channel);
}

/* ---- weak ends ---- */

static bool weaken_fd(int *strong, int *weak) {
    if (*strong < 0) {
        return true;
    }
    *weak = psn_os_pipe_weak(*strong);
    return *weak >= 0;
}

void psn_channel_weaken(psn_channel *channel) {
    psn_process_lock();
    if (psn_load_relaxed32(&channel->is_weak) == 0) {
        psn_store_relaxed32(&channel->is_weak, 1);
        psn_fence_seq(); /* a thread that comes to wait sees it, or we see the thread */
        if (psn_load_relaxed32(&channel->waiting) != 0) {
            psn_store_release32(&channel->is_weak, 0);
        } else if (weaken_fd(&channel->in_fd, &channel->weak_in_fd) &&
            weaken_fd(&channel->out_fd, &channel->weak_out_fd)) {
            psn_os_close(channel->in_fd);
            psn_os_close(channel->out_fd);
            channel->in_fd = channel->out_fd = -1;
        } else { /* no /proc: stay strong */
            psn_os_close(channel->weak_in_fd);
            psn_os_close(channel->weak_out_fd);
            channel->weak_in_fd = channel->weak_out_fd = -1;
            psn_store_release32(&channel->is_weak, 0);
        }
    }
    psn_process_unlock();
}

static psn_status strengthen_fd(int *weak, bool writes, int *strong) {
    if (*weak < 0) {
        return PSN_OK;
    }
    psn_status status = psn_os_pipe_strong(*weak, writes, strong);
    if (status == PSN_OK || status == PSN_BROKEN) {
        psn_os_close(*weak);
        *weak = -1;
    }
    return status == PSN_BROKEN ? PSN_OK : status; /* sending will say so: no descriptor */
}

static psn_status strengthen_slow(psn_channel *channel) {
    psn_process_lock();
    psn_status status = strengthen_fd(&channel->weak_in_fd, false, &channel->in_fd);
    if (status == PSN_OK) {
        status = strengthen_fd(&channel->weak_out_fd, true, &channel->out_fd);
    }
    if (status == PSN_OK) {
        psn_store_release32(&channel->is_weak, 0);
    }
    psn_process_unlock();
    return status;
}

static inline psn_status strengthen(psn_channel *channel) {
    return PSN_LIKELY(psn_load_acquire32(&channel->is_weak) == 0) ? PSN_OK
                                                                  : strengthen_slow(channel);
}

/* Until end_wait the end stays as strong as it is now. */
static psn_status begin_wait(psn_channel *channel) {
    psn_add_acq_rel32(&channel->waiting, 1);
    psn_fence_seq(); /* pairs with the one in psn_channel_weaken */
    return strengthen(channel);
}

static void end_wait(psn_channel *channel) {
    psn_add_acq_rel32(&channel->waiting, UINT32_MAX); /* minus one */
}

/* ---- what it is ---- */

psn_segment *psn_channel_segment(psn_channel *channel) {
    return channel->segment;
}

bool psn_channel_readable(const psn_channel *channel) {
    return channel->in_fd >= 0 || channel->weak_in_fd >= 0;
}

bool psn_channel_writable(const psn_channel *channel) {
    return channel->sends;
}

unsigned psn_channel_end(const psn_channel *channel) {
    return channel->end;
}

psn_status psn_channel_descriptors(psn_channel *channel, int *memory_fd, int *in_fd, int *out_fd) {
    psn_status status = strengthen(channel);
    *memory_fd = channel->segment->fd;
    *in_fd = channel->in_fd;
    *out_fd = channel->out_fd;
    return status;
}

/* ---- sending ---- */

static bool is_broken(psn_channel *channel) {
    psn_store_relaxed32(&channel->seen_closes, psn_load_acquire32(&channel->out.shared->closes));
    bool broken = channel->out_fd < 0 || psn_os_reader_gone(channel->out_fd);
    /* Once broken, look each time. */
    psn_store_relaxed64(&channel->looked_at, broken ? 0 : psn_os_ticks());
    return broken;
}

/* Asking the kernel each time would double the cost of a small message: ask when an end was
 * closed on purpose, and otherwise now and then. */
static bool should_look(const psn_channel *channel) {
    return psn_load_acquire32(&channel->out.shared->closes) !=
               psn_load_relaxed32(&channel->seen_closes) ||
           psn_os_ticks() - psn_load_relaxed64(&channel->looked_at) > LOOK_AFTER_TICKS;
}

psn_status psn_channel_send(psn_channel *channel, const psn_message *message, unsigned flags) {
    psn_status status = strengthen(channel);
    if (PSN_UNLIKELY(status != PSN_OK)) {
        return status;
    }
    if (should_look(channel) && is_broken(channel)) {
        return PSN_BROKEN;
    }
    size_t done;
    uint64_t first;
    status = psn_lane_put(&channel->out, message, 1, flags, channel->out_fd, &done, &first);
    if (done > 0) {
        psn_lane *lane = channel->out.shared;
        if (psn_event_claim_after_fence(&lane->has_message, 1) > 0 &&
            psn_load_relaxed32(&lane->watched) == 0) {
            psn_os_ring(channel->out_fd);
        }
        psn_kill_point(PSN_KILL_PUT_NOTIFIED);
    }
    return status;
}

static psn_status wait_while_there(psn_channel *channel, uint64_t deadline) {
    for (;;) {
        if (is_broken(channel)) {
            return PSN_BROKEN;
        }
        uint64_t now = psn_now(), look = now + BROKEN_CHECK_NANOSECONDS;
        psn_status status =
            psn_lane_wait_room(&channel->out, deadline < look ? deadline : look);
        if (status != PSN_TIMEOUT || psn_now() >= deadline) {
            return status;
        }
    }
}

psn_status psn_channel_wait_room(psn_channel *channel, uint64_t deadline) {
    psn_status status = begin_wait(channel);
    if (status == PSN_OK) {
        status = wait_while_there(channel, deadline);
    }
    end_wait(channel);
    return status;
}

/* ---- receiving ---- */

psn_status psn_channel_take(psn_channel *channel, unsigned flags, psn_inbox *inbox) {
    psn_status status = strengthen(channel);
    if (PSN_UNLIKELY(status != PSN_OK)) {
        return status;
    }
    psn_lane *lane = channel->in.shared;
    size_t before = inbox->count;
    status = psn_lane_take(&channel->in, 1, flags, -1, inbox);
    if (inbox->count > before) {
        psn_event_wake_after_fence(&lane->has_room, 1);
    }
    if (inbox->count > before || status == PSN_EMPTY) {
        psn_bell_update(&channel->in, in_bell(channel));
    }
    return status;
}

/* One look at the pipe, asleep until `until` at most. PSN_EMPTY: look at the lane again. */
static psn_status poll_once(psn_channel *channel, uint64_t until) {
    psn_lane *lane = channel->in.shared;
    psn_os_ready ready;
    psn_status status = psn_os_wait_readable(channel->in_fd, until, &ready);
    psn_kill_point(PSN_KILL_WAIT_WOKEN);
    if (status != PSN_OK) {
        return status;
    }
    bool watched = psn_load_acquire32(&lane->watched) != 0;
    if (ready.readable && !watched) {
        psn_os_quiet_one(channel->in_fd); /* one byte woke one sleeper */
    }
    if (psn_lane_has_message(lane)) {
        return PSN_OK;
    }
    if (ready.hung_up) {
        return PSN_EOF; /* the hang-up came first: whatever was sent before it is visible */
    }
    if (watched) {
        psn_bell_settle(&channel->in, in_bell(channel));
    }
    return PSN_EMPTY;
}

static psn_status sleep_for_message(psn_channel *channel, uint64_t deadline) {
    psn_lane *lane = channel->in.shared;
    uint32_t ticket = psn_event_register(&lane->has_message);
    psn_status status = PSN_EMPTY;
    while (!psn_lane_has_message(lane)) {
        uint64_t now = psn_now(), longest = now + PSN_LONGEST_SLEEP;
        status = poll_once(channel, deadline < longest ? deadline : longest);
        if (status == PSN_TIMEOUT && now < deadline) {
            status = PSN_EMPTY;
        }
        if (status != PSN_EMPTY) {
            break;
        }
        if (psn_event_is_stale(&lane->has_message, ticket)) {
            ticket = psn_event_register(&lane->has_message);
        }
    }
    psn_event_leave(&lane->has_message, ticket);
    return psn_lane_has_message(lane) ? PSN_OK : status;
}

psn_status psn_channel_wait_message(psn_channel *channel, uint64_t deadline) {
    psn_status status = begin_wait(channel);
    if (PSN_LIKELY(status == PSN_OK) && !psn_lane_has_message(channel->in.shared) &&
        (deadline == 0 || !psn_lane_spin_for_message(&channel->in))) {
        status = sleep_for_message(channel, deadline);
    }
    end_wait(channel);
    return status;
}

/* ---- among others: waitset.c ---- */

bool psn_channel_has_message(const psn_channel *channel) {
    return psn_lane_has_message(channel->in.shared);
}

psn_status psn_channel_begin_source(psn_channel *channel, psn_source *source) {
    psn_status status = begin_wait(channel);
    *source = (psn_source){.lane = &channel->in, .bell = in_bell(channel)};
    return status;
}

void psn_channel_end_source(psn_channel *channel) {
    end_wait(channel);
}

psn_status psn_channel_watch(psn_channel *channel) {
    psn_status status = strengthen(channel);
    return status == PSN_OK ? psn_bell_watch(&channel->in, in_bell(channel)) : status;
}
