/* One direction of messages: a chain of chunks, a lock at each end, no lock across.
 *
 * Producers append under put_lock, consumers take under get_lock, and neither waits for the
 * other: the log-structured two-lock queue of Michael and Scott (PODC 1996), with records
 * instead of nodes. What makes it safe against SIGKILL at any instruction:
 *   - a put writes the record and the position after it where nobody looks, and then commits
 *     with one store of `puts`; a take copies, prepares the position, commits with one of `gets`;
 *   - so a lock that is found abandoned protects nothing half-done, and recovery only refreshes
 *     what is remembered for speed and wakes everybody once;
 *   - whether a block is in flight is not stored but follows: gets <= its seq < puts.
 */
#ifndef PSN_LANE_H
#define PSN_LANE_H

#include "segment.h"

typedef struct {
    psn_segment *segment;
    psn_lane *shared;
    uint32_t number;      /* of the lane in its segment */
    psn_atomic32 wasted_spins; /* spins in a row that ended in sleep; this process' experience */
    psn_atomic32 idle_sleeps;  /* in a row, over calls that each wait a little */
    psn_segment *minded; /* is cooled as well by who waits here for long; kept, or NULL */
} psn_lane_handle;

psn_status psn_lane_init(psn_segment *segment, uint32_t number, uint64_t max_items,
                         uint64_t max_bytes);
void psn_lane_open(psn_lane_handle *lane, psn_segment *segment, uint32_t number);

/* See psn_queue_put and psn_queue_take. Neither wakes sleepers: the caller does, and needs no fence
 * for it, since the lock that was given back after the commit is one. ring_fd is the
 * doorbell, rung before the first commit if somebody watches (bell.h). */
psn_status psn_lane_put(psn_lane_handle *lane, const psn_message *messages, size_t count,
                        unsigned flags, int ring_fd, size_t *done, uint64_t *first);
psn_status psn_lane_take(psn_lane_handle *lane, size_t max, unsigned flags, int claim,
                         psn_inbox *inbox);

bool psn_lane_has_message(const psn_lane *lane);
bool psn_lane_has_room(const psn_lane *lane);
uint64_t psn_lane_put_count(const psn_lane *lane);
uint64_t psn_lane_taken_count(const psn_lane *lane);
uint64_t psn_lane_size(const psn_lane *lane);

/* Sleep on the lane's events. */
psn_status psn_lane_wait_message(psn_lane_handle *lane, uint64_t deadline);
psn_status psn_lane_wait_room(psn_lane_handle *lane, uint64_t deadline);
/* A sleep has ended without a message; after some, free memory is given back. */
void psn_lane_note_idle_sleep(psn_lane_handle *handle);
psn_status psn_lane_wait_all_done(psn_lane_handle *lane, uint64_t deadline);
/* Looks for a while without sleeping, if the other side can be expected to act meanwhile. */
bool psn_lane_spin_for_message(psn_lane_handle *lane);

/* Sees to it that so many messages that were put are looked for, now. After a full fence: the one in
 * psn_lane_put, which pairs with that in psn_event_register. */
void psn_lane_wake_for_messages(psn_lane *lane, uint32_t count);

/* The locks of the two ends; what a dead holder left is put right first. */
psn_status psn_lane_lock_put(psn_lane_handle *lane, unsigned flags);
psn_status psn_lane_lock_get(psn_lane_handle *lane, unsigned flags);
/* Gives back the chunks before `current`, which are read to their end, if the arena is free to take
 * them. Under get_lock. */
void psn_lane_free_read_chunks(psn_lane_handle *lane, uint32_t current);

/* For reclaim: both locks of the lane, recovered where they were abandoned. */
psn_status psn_lane_lock_both(psn_lane_handle *lane);
void psn_lane_unlock_both(psn_lane_handle *lane);

/* Says where this side last ran, for the other side's decision to spin. */
static inline void psn_lane_publish_cpu(psn_atomic32 *where) {
    uint32_t cpu = psn_os_cpu() + 1;
    if (psn_load_relaxed32(where) != cpu) {
        psn_store_relaxed32(where, cpu);
    }
}

/* No sleep is longer: a wake may have died with its waker. */
#define PSN_LONGEST_SLEEP (UINT64_C(250) * 1000 * 1000)

#endif
