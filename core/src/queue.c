/* A queue: one lane, an eventfd as its doorbell. */
#include <stdlib.h>

#include "kill_point.h"
#include "source.h"

struct psn_queue {
    psn_segment *segment;
    psn_lane_handle lane;
    int doorbell;
};

static psn_bell bell_of(const psn_queue *queue) {
    return (psn_bell){.ring_fd = queue->doorbell, .listen_fd = queue->doorbell};
}

static psn_status open_queue(psn_segment *segment, int doorbell, psn_queue **queue) {
    psn_queue *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return PSN_NO_MEMORY;
    }
    made->segment = segment;
    made->doorbell = doorbell;
    psn_lane_open(&made->lane, segment, 0);
    *queue = made;
    return PSN_OK;
}

psn_status psn_queue_create(uint64_t max_items, psn_queue **queue) {
    int doorbell;
    psn_status status = psn_os_event_create(&doorbell);
    if (status != PSN_OK) {
        return status;
    }
    psn_segment *segment;
    status = psn_segment_create(PSN_SEGMENT_QUEUE, 1, &segment);
    if (status == PSN_OK) {
        status = psn_lane_init(segment, 0, max_items, 0);
        if (status == PSN_OK) {
            status = open_queue(segment, doorbell, queue);
        }
        if (status != PSN_OK) {
            psn_segment_release(segment);
        }
    }
    if (status != PSN_OK) {
        psn_os_close(doorbell);
    }
    return status;
}

psn_status psn_queue_attach(int memory_fd, int doorbell_fd, psn_queue **queue) {
    if (!psn_os_descriptor_is_open(doorbell_fd)) {
        return PSN_SYSTEM;
    }
    psn_segment *segment;
    psn_status status = psn_segment_attach(memory_fd, PSN_SEGMENT_QUEUE, &segment);
    if (status == PSN_OK) {
        status = open_queue(segment, doorbell_fd, queue);
        if (status != PSN_OK) {
            segment->fd = -1; /* stays the caller's */
            psn_segment_release(segment);
        }
    }
    return status;
}

void psn_queue_detach(psn_queue *queue) {
    psn_os_close(queue->doorbell);
    if (queue->lane.minded != NULL) {
        psn_segment_release(queue->lane.minded);
    }
    psn_segment_release(queue->segment);
    free(queue);
}

psn_segment *psn_queue_segment(psn_queue *queue) {
    return queue->segment;
}

static void mind(psn_queue *queue, psn_segment *other) {
    psn_store_relaxed32(&psn_segment_arena(queue->segment)->stays_warm, 1);
    if (queue->lane.minded == NULL && queue->segment != other) {
        psn_segment_keep(other);
        queue->lane.minded = other;
    }
}

void psn_queue_pair(psn_queue *one, psn_queue *other) {
    mind(one, other->segment);
    mind(other, one->segment);
}

void psn_queue_descriptors(const psn_queue *queue, int *memory_fd, int *doorbell_fd) {
    *memory_fd = queue->segment->fd;
    *doorbell_fd = queue->doorbell;
}

psn_status psn_queue_put(psn_queue *queue, const psn_message *messages, size_t count, unsigned flags,
                         size_t *done, uint64_t *first) {
    psn_status status = psn_lane_put(&queue->lane, messages, count, flags, queue->doorbell, done,
                                     first);
    if (*done > 0) {
        psn_lane_wake_for_messages(queue->lane.shared,
                                   *done < UINT32_MAX ? (uint32_t)*done : UINT32_MAX);
        psn_kill_point(PSN_KILL_PUT_NOTIFIED);
    }
    return status;
}

psn_status psn_queue_wait_room(psn_queue *queue, uint64_t deadline) {
    return psn_lane_wait_room(&queue->lane, deadline);
}

psn_status psn_queue_take(psn_queue *queue, size_t max, unsigned flags, int claim,
                          psn_inbox *inbox) {
    psn_lane *lane = queue->lane.shared;
    size_t before = inbox->count;
    psn_status status = psn_lane_take(&queue->lane, max, flags, claim, inbox);
    size_t taken = inbox->count - before;
    if (taken > 0 && lane->max_items != 0) {
        psn_event_wake_after_fence(&lane->has_room,
                                   taken < UINT32_MAX ? (uint32_t)taken : UINT32_MAX);
    }
    if (taken > 0 || status == PSN_EMPTY) {
        psn_bell_update(&queue->lane, bell_of(queue));
    }
    return status;
}

psn_status psn_queue_wait_message(psn_queue *queue, uint64_t deadline) {
    return psn_lane_wait_message(&queue->lane, deadline);
}

uint64_t psn_queue_put_count(const psn_queue *queue) {
    return psn_lane_put_count(queue->lane.shared);
}

uint64_t psn_queue_taken_count(const psn_queue *queue) {
    return psn_lane_taken_count(queue->lane.shared);
}

uint64_t psn_queue_size(const psn_queue *queue) {
    return psn_lane_size(queue->lane.shared);
}

uint64_t psn_queue_max_items(const psn_queue *queue) {
    return queue->lane.shared->max_items;
}

void psn_queue_claimed(const psn_queue *queue, unsigned claim, uint64_t *first, uint64_t *count) {
    const psn_claim *entry = psn_segment_claim(queue->segment, claim % PSN_CLAIMS);
    do { /* a range that is being replaced reads as none in between */
        *count = psn_load_acquire64(&entry->count);
        *first = psn_load_acquire64(&entry->first);
    } while (psn_load_acquire64(&entry->count) != *count);
}

void psn_queue_clear_claim(psn_queue *queue, unsigned claim) {
    psn_store_release64(&psn_segment_claim(queue->segment, claim % PSN_CLAIMS)->count, 0);
}

psn_status psn_queue_task_done(psn_queue *queue) {
    psn_lane *lane = queue->lane.shared;
    uint64_t done = psn_load_acquire64(&lane->done);
    do {
        if (done >= psn_lane_put_count(lane)) {
            return PSN_TOO_MANY_DONE;
        }
    } while (!psn_cas_seq64(&lane->done, &done, done + 1));
    psn_kill_point(PSN_KILL_DONE_COUNTED);
    if (psn_lane_put_count(lane) == done + 1) {
        psn_event_wake(&lane->all_done, UINT32_MAX);
    }
    return PSN_OK;
}

psn_status psn_queue_wait_all_done(psn_queue *queue, uint64_t deadline) {
    return psn_lane_wait_all_done(&queue->lane, deadline);
}

void psn_queue_source(psn_queue *queue, psn_source *source) {
    *source = (psn_source){.lane = &queue->lane, .bell = bell_of(queue)};
}

psn_status psn_queue_watch(psn_queue *queue) {
    return psn_bell_watch(&queue->lane, bell_of(queue));
}
