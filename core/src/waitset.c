/* Waiting for many at once: queues, channels and descriptors of others.
 *
 * A lane says by itself whether it has a message, without a system call. What it cannot say is that
 * the other end of a channel is gone; this and the descriptors take one call of poll for all. A
 * wait that is to sleep first has every lane's bell watched: from then on a descriptor is readable
 * before the message is there (bell.h), so nothing can come unheard.
 */
#include <stdlib.h>

#include "kill_point.h"
#include "source.h"

#define FEW 64U

typedef struct {
    psn_waitable *entries;
    size_t count;
    psn_os_polled *polled; /* one for each entry; fd -1 where there is nothing to ask */
    size_t found;
} psn_waitset;

static bool is_lane(const psn_waitable *entry) {
    return entry->queue != NULL || entry->channel != NULL;
}

/* ---- lanes ---- */

static psn_status open_source(const psn_waitable *entry, psn_source *source) {
    if (entry->channel != NULL) {
        return psn_channel_begin_source(entry->channel, source);
    }
    psn_queue_source(entry->queue, source);
    return PSN_OK;
}

static void close_source(const psn_waitable *entry) {
    if (entry->channel != NULL) {
        psn_channel_end_source(entry->channel);
    }
}

static void close_sources(const psn_waitset *set, size_t count) {
    for (size_t i = 0; i < count; i++) {
        close_source(&set->entries[i]);
    }
}

static psn_status prepare(psn_waitset *set) {
    for (size_t i = 0; i < set->count; i++) {
        const psn_waitable *entry = &set->entries[i];
        psn_source source = {.bell = {.listen_fd = entry->fd}};
        psn_status status = is_lane(entry) ? open_source(entry, &source) : PSN_OK;
        if (status != PSN_OK) {
            close_sources(set, i + 1);
            return status;
        }
        set->polled[i] = (psn_os_polled){.fd = source.bell.listen_fd, .wanted = PSN_OS_READABLE};
    }
    return PSN_OK;
}

static bool has_message(const psn_waitable *entry) {
    return entry->channel != NULL ? psn_channel_has_message(entry->channel)
                                  : psn_queue_size(entry->queue) != 0;
}

static void look(psn_waitset *set) {
    for (size_t i = 0; i < set->count; i++) {
        psn_waitable *entry = &set->entries[i];
        if (!entry->ready && is_lane(entry)) {
            entry->ready = has_message(entry);
        }
        set->found += entry->ready;
    }
}

static psn_status watch(const psn_waitset *set) {
    psn_status status = PSN_OK;
    for (size_t i = 0; i < set->count && status == PSN_OK; i++) {
        const psn_waitable *entry = &set->entries[i];
        if (entry->channel != NULL) {
            status = psn_channel_watch(entry->channel);
        } else if (entry->queue != NULL) {
            status = psn_queue_watch(entry->queue);
        }
    }
    return status;
}

/* ---- what the system says ---- */

/* A lane that is called ready and has no message: its end, or a bell that rings for nothing. */
static bool is_at_end(const psn_waitable *entry, const psn_os_polled *polled) {
    if (entry->channel != NULL && (polled->found & ~PSN_OS_READABLE) != 0) {
        return true;
    }
    psn_source source;
    if (open_source(entry, &source) == PSN_OK &&
        psn_load_acquire32(&source.lane->shared->watched) != 0) {
        psn_bell_settle(source.lane, source.bell);
    }
    close_source(entry);
    return false;
}

static psn_status ask(psn_waitset *set, uint64_t until) {
    psn_status status = psn_os_poll(set->polled, set->count, until);
    psn_kill_point(PSN_KILL_WAIT_WOKEN);
    for (size_t i = 0; status == PSN_OK && i < set->count; i++) {
        psn_waitable *entry = &set->entries[i];
        if (entry->ready || set->polled[i].found == 0) {
            continue;
        }
        entry->ready =
            !is_lane(entry) || has_message(entry) || is_at_end(entry, &set->polled[i]);
        set->found += entry->ready;
    }
    return status;
}

/* Lanes without a message are asked for their end only, queues have none. */
static void skip_what_is_known(psn_waitset *set) {
    for (size_t i = 0; i < set->count; i++) {
        if (set->entries[i].ready || set->entries[i].queue != NULL) {
            set->polled[i].fd = -1;
        }
    }
}

static void note_idle_sleep(const psn_waitset *set) {
    for (size_t i = 0; i < set->count; i++) {
        psn_source source;
        if (set->entries[i].queue != NULL) {
            psn_queue_source(set->entries[i].queue, &source);
            psn_lane_note_idle_sleep(source.lane);
        }
    }
}

static psn_status wait_prepared(psn_waitset *set, uint64_t deadline) {
    look(set);
    if (set->found > 0 || psn_now() >= deadline) {
        skip_what_is_known(set);
        psn_status status = ask(set, 0);
        return set->found > 0 ? PSN_OK : status == PSN_OK ? PSN_TIMEOUT : status;
    }
    psn_status status = watch(set);
    while (status == PSN_OK && set->found == 0) {
        status = ask(set, deadline);
    }
    if (status == PSN_TIMEOUT) {
        note_idle_sleep(set);
    }
    return status;
}

psn_status psn_wait_many(psn_waitable *entries, size_t count, uint64_t deadline) {
    psn_os_polled few[FEW];
    psn_waitset set = {.entries = entries, .count = count, .polled = few};
    if (count > FEW) {
        set.polled = malloc(count * sizeof *set.polled);
        if (set.polled == NULL) {
            return PSN_NO_MEMORY;
        }
    }
    psn_status status = prepare(&set);
    if (status == PSN_OK) {
        status = wait_prepared(&set, deadline);
        close_sources(&set, count);
    }
    if (set.polled != few) {
        free(set.polled);
    }
    return status;
}
