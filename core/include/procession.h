/* procession: messages between processes through shared memory. The public face of the core.
 *
 * Vocabulary
 *   segment   one memfd and what this process has mapped of it; the kernel counts its users
 *   lane      one direction of messages: first in first out, many producers, many consumers
 *   queue     a segment with one lane; channel: a segment with two lanes and two ends
 *   block     a run of pages in a segment's arena: a chunk of a lane, or one big buffer
 *   peer      a process that holds blocks of a segment
 *
 * Every call may be made by any thread. Every call that waits takes a deadline on the clock
 * of psn_now (PSN_FOREVER = none) and comes back with PSN_INTERRUPTED after a signal, so that
 * the caller can look at it and call again. A process may be killed at any instruction of any
 * call: the others go on, and at most the one message that it was moving is gone.
 * docs/design/death.md has the reasoning, step by step.
 */
#ifndef PROCESSION_H
#define PROCESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    PSN_OK = 0,
    PSN_EMPTY,       /* nothing to take */
    PSN_FULL,        /* no room under the limit */
    PSN_BUSY,        /* the lock is held by another; only with a flag that asks for it */
    PSN_TIMEOUT,     /* the deadline has passed */
    PSN_INTERRUPTED, /* a signal arrived; look at it and call again */
    PSN_EOF,         /* nothing to take and nobody left who could send */
    PSN_BROKEN,      /* nobody left who could receive */
    PSN_NO_MEMORY,   /* the system has no memory for it; nothing changed */
    PSN_SYSTEM,      /* a system call failed, errno says why; nothing changed */
    PSN_FOREIGN,     /* the descriptor is not a segment of ours, or of another version */
    PSN_CORRUPT,     /* the segment's contents contradict themselves */
    PSN_TOO_MANY_DONE /* more messages were reported done than were put */
} psn_status;

/* One sentence for people. */
const char *psn_status_text(psn_status status);
/* After PSN_FOREIGN or PSN_CORRUPT on this thread: which check failed, with the values. */
const char *psn_last_detail(void);

#define PSN_FOREVER UINT64_MAX
uint64_t psn_now(void); /* monotonic nanoseconds */

typedef struct psn_segment psn_segment;

/* ---- messages ------------------------------------------------------------------------ */

/* A block as others name it: generation << 32 | index. 0 names none. A reference to a block
 * that was given back in the meantime is recognised as stale by its generation. */
typedef uint64_t psn_ref;

/* One buffer of a message: in a block; or with ref 0 inside the payload, where the two sides agree
 * on; or (only on the receiving side, see PSN_SLICE_PRIVATE) in memory from malloc. */
typedef struct {
    psn_ref ref;
    uint64_t length; /* bytes; PSN_SLICE_PRIVATE set: ref is a pointer from malloc */
} psn_slice;
#define PSN_SLICE_PRIVATE (UINT64_C(1) << 63)

#define PSN_INLINE_USUAL (32 * 1024) /* bytes of payload; more is better off in a block */
#define PSN_INLINE_MAX (UINT32_C(1) << 30)
#define PSN_SLICES_MAX 1024        /* buffers of one message */
#define PSN_CLAIMS 256

typedef struct {
    uint16_t kind; /* for the receiver; the core does not look at it */
    uint16_t slice_count;
    uint32_t size; /* bytes of payload, at most PSN_INLINE_MAX */
    const void *data;
    const psn_slice *slices;
} psn_message;

/* Where messages are taken to: a byte buffer that grows, one record after the other. */
typedef struct {
    char *data; /* small, or from malloc */
    size_t used, capacity;
    size_t count; /* records */
    _Alignas(16) char small[4096];
} psn_inbox;

void psn_inbox_init(psn_inbox *inbox);
void psn_inbox_clear(psn_inbox *inbox);
/* Reads the record at *cursor (0 first) and advances it; false at the end. Pointers in
 * *message point into the inbox. */
bool psn_inbox_next(const psn_inbox *inbox, size_t *cursor, psn_message *message);

/* Whoever holds a lock of a lane or of the memory is done with it after some hundred nanoseconds,
 * unless it is stopped (SIGSTOP, a debugger). 0 waits for as long as that takes. With PSN_BUSY
 * some messages of a batch may have been put already. */
enum {
    PSN_TRY_LOCK = 1,  /* PSN_BUSY rather than wait */
    PSN_SHORT_LOCK = 2 /* PSN_BUSY after a tenth of a second, to look at signals and deadlines */
};

/* ---- big buffers --------------------------------------------------------------------- */

/* Takes a block of at least `size` bytes for this process and says where it is mapped.
 * PSN_NO_MEMORY where the system has none, PSN_FULL where the segment's table is full
 * (then send the bytes inline, in pieces). */
psn_status psn_block_take(psn_segment *segment, uint64_t size, psn_ref *ref, void **address);
/* As psn_block_take, and copies `size` bytes in (fresh memory is written, not faulted in). */
psn_status psn_block_fill(psn_segment *segment, const void *from, uint64_t size, psn_ref *ref);
/* Gives back a block that this process holds and has not sent. */
void psn_block_drop(psn_segment *segment, psn_ref ref);

/* A received block, held by this process until psn_hold_release. Survives a fork in both. */
typedef struct psn_hold psn_hold;
psn_status psn_hold_open(psn_segment *segment, psn_slice slice, psn_hold **hold);
void *psn_hold_address(const psn_hold *hold);
void psn_hold_release(psn_hold *hold);

/* Frees what dead processes held, and unused memory; the number of bytes given back. */
psn_status psn_segment_reclaim(psn_segment *segment, uint64_t *freed);

typedef struct {
    uint64_t committed_bytes; /* pages that the segment has asked the kernel for */
    uint64_t used_bytes;      /* in blocks that hold messages or buffers */
    uint64_t warm_bytes;      /* free, but kept for re-use */
    uint64_t used_blocks;
    uint64_t block_entries; /* of PSN_BLOCKS */
    uint64_t peers;
    uint64_t recoveries; /* locks that were found held by a dead process */
} psn_memory;
void psn_segment_memory(psn_segment *segment, psn_memory *memory);

/* ---- queue --------------------------------------------------------------------------- */

typedef struct psn_queue psn_queue;

/* max_items 0 = unbounded. */
psn_status psn_queue_create(uint64_t max_items, psn_queue **queue);
/* Takes the descriptors over when it succeeds. */
psn_status psn_queue_attach(int memory_fd, int doorbell_fd, psn_queue **queue);
void psn_queue_detach(psn_queue *queue); /* blocks still held keep the memory mapped */
psn_segment *psn_queue_segment(psn_queue *queue);
/* Some process always waits at one of the two while nothing happens: both keep what they have used
 * warm, and who waits at either gives back what both have. Once in each process, before others use it. */
void psn_queue_pair(psn_queue *one, psn_queue *other);
void psn_queue_descriptors(const psn_queue *queue, int *memory_fd, int *doorbell_fd);

/* Puts messages[0..count) in order as far as there is room. *done = how many, *first = the
 * index of the first. PSN_FULL when not all. Blocks named by the messages that were put belong
 * to the queue from then on. */
psn_status psn_queue_put(psn_queue *queue, const psn_message *messages, size_t count, unsigned flags,
                         size_t *done, uint64_t *first);
/* Waits until there is room for one message (or says so at once). */
psn_status psn_queue_wait_room(psn_queue *queue, uint64_t deadline);
/* Takes 1 to `max` messages into the inbox. claim -1, or where to announce the range. */
psn_status psn_queue_take(psn_queue *queue, size_t max, unsigned flags, int claim, psn_inbox *inbox);
psn_status psn_queue_wait_message(psn_queue *queue, uint64_t deadline);

uint64_t psn_queue_put_count(const psn_queue *queue);   /* messages ever put */
uint64_t psn_queue_taken_count(const psn_queue *queue); /* messages ever taken */
uint64_t psn_queue_size(const psn_queue *queue);
uint64_t psn_queue_max_items(const psn_queue *queue); /* 0 = unbounded */
void psn_queue_claimed(const psn_queue *queue, unsigned claim, uint64_t *first, uint64_t *count);
void psn_queue_clear_claim(psn_queue *queue, unsigned claim);

psn_status psn_queue_task_done(psn_queue *queue);
psn_status psn_queue_wait_all_done(psn_queue *queue, uint64_t deadline);

/* From now on the doorbell descriptor is readable while the queue has messages. */
psn_status psn_queue_watch(psn_queue *queue);

/* ---- channel ------------------------------------------------------------------------- */

typedef struct psn_channel psn_channel; /* one end, in this process */

psn_status psn_channel_create(bool duplex, psn_channel **first, psn_channel **second);
/* in_fd/out_fd -1 for a missing direction. Takes the descriptors over when it succeeds. */
psn_status psn_channel_attach(int memory_fd, int in_fd, int out_fd, unsigned end,
                              psn_channel **channel);
void psn_channel_close(psn_channel *channel); /* and free */
psn_segment *psn_channel_segment(psn_channel *channel);
/* Strengthens the end first, hence may fail. */
psn_status psn_channel_descriptors(psn_channel *channel, int *memory_fd, int *in_fd, int *out_fd);
unsigned psn_channel_end(const psn_channel *channel); /* 0 or 1 */
bool psn_channel_readable(const psn_channel *channel);
bool psn_channel_writable(const psn_channel *channel);

/* PSN_BROKEN when every copy of the other end is gone. PSN_FULL: wait for room. */
psn_status psn_channel_send(psn_channel *channel, const psn_message *message, unsigned flags);
psn_status psn_channel_wait_room(psn_channel *channel, uint64_t deadline);
/* Takes one message. PSN_EMPTY: wait. */
psn_status psn_channel_take(psn_channel *channel, unsigned flags, psn_inbox *inbox);
/* PSN_OK: a message is there. PSN_EOF: none, and none can come. */
psn_status psn_channel_wait_message(psn_channel *channel, uint64_t deadline);
/* The in-descriptor is from now on readable while a message or the end of file is there. */
psn_status psn_channel_watch(psn_channel *channel);
/* Stops counting as a holder of the end until it is next used; does nothing while a thread of this
 * process waits at it, which is using it. */
void psn_channel_weaken(psn_channel *channel);

bool psn_channel_has_message(const psn_channel *channel);

/* ---- waiting for many ----------------------------------------------------------------- */

/* A queue, or an end that receives, or a descriptor of somebody else's. */
typedef struct {
    psn_queue *queue;
    psn_channel *channel;
    int fd;     /* where both are NULL */
    bool ready; /* the answer; what is set already is not asked again, and ends the wait */
} psn_waitable;

/* PSN_OK: some are ready (a message, the end of file, an event of the descriptor), and so say
 * they all. PSN_TIMEOUT: none was. A deadline that has passed looks once. */
psn_status psn_wait_many(psn_waitable *entries, size_t count, uint64_t deadline);

/* ---- locks and their kin -------------------------------------------------------------- */

/* Some hundreds of locks, semaphores, flags and conditions share one memory, hence one
 * descriptor: `cells`. Another process attaches to the cells and opens them by number. Every
 * psn_sync counts as a user of its cells; the last one gives them back. */
typedef struct psn_cells psn_cells;
typedef struct psn_sync psn_sync;

typedef enum {
    PSN_SYNC_SEMAPHORE = 1, /* counts; belongs to nobody */
    PSN_SYNC_LOCK = 2,      /* held by one process at a time, and released by its death */
    PSN_SYNC_FLAG = 3,
    PSN_SYNC_CONDITION = 4
} psn_sync_kind;

/* value and max: of a semaphore (0 <= value <= max); a lock is free when its value is 1. */
psn_status psn_sync_create(psn_sync_kind kind, uint64_t value, uint64_t max, psn_sync **sync);
psn_status psn_sync_open(psn_cells *cells, uint32_t number, psn_sync_kind kind, psn_sync **sync);
void psn_sync_close(psn_sync *sync);
psn_cells *psn_sync_cells(const psn_sync *sync);
uint32_t psn_sync_number(const psn_sync *sync);

/* Takes the descriptor over when it succeeds; the same cells twice are the same object. */
psn_status psn_cells_attach(int fd, psn_cells **cells);
void psn_cells_keep(psn_cells *cells);
void psn_cells_release(psn_cells *cells);
int psn_cells_descriptor(const psn_cells *cells);
/* Others will learn of these cells: what is closed here may live on there. */
void psn_cells_expose(psn_cells *cells);
/* One pointer for the caller's use, NULL at first. */
void **psn_cells_tag(psn_cells *cells);

/* Changes with every fork, in the child: what a process noted of itself is the parent's. */
uint32_t psn_process_epoch(void);

/* Takes one, at once or not at all (PSN_BUSY). Never looks whether a holder is alive. */
psn_status psn_semaphore_try(psn_sync *semaphore);
/* Takes one; PSN_TIMEOUT when there was none. *abandoned: a lock's last holder had died with it. */
psn_status psn_semaphore_wait(psn_sync *semaphore, uint64_t deadline, bool *abandoned);
/* PSN_FULL when all are there already. */
psn_status psn_semaphore_give(psn_sync *semaphore);
uint64_t psn_semaphore_value(const psn_sync *semaphore);
uint64_t psn_semaphore_max(const psn_sync *semaphore);

bool psn_flag_is_set(const psn_sync *flag);
void psn_flag_set(psn_sync *flag);
void psn_flag_clear(psn_sync *flag);
/* PSN_OK when it is set, or was since the look; PSN_TIMEOUT. */
uint64_t psn_flag_look(const psn_sync *flag);
psn_status psn_flag_wait_since(psn_sync *flag, uint64_t look, uint64_t deadline);
psn_status psn_flag_wait(psn_sync *flag, uint64_t deadline); /* since now */

/* A condition's waiter: enter while holding the lock that goes with it, give up the lock, sleep
 * until PSN_OK or PSN_TIMEOUT, leave (was it notified?), all in one thread. Killed in between, it
 * is no waiter any more. PSN_FULL: PSN_WAITERS of these cells' conditions wait already. */
#define PSN_WAITERS 1024
psn_status psn_condition_enter(psn_sync *condition, uint32_t *waiter);
psn_status psn_condition_sleep(psn_sync *condition, uint32_t waiter, uint64_t deadline);
bool psn_condition_leave(psn_sync *condition, uint32_t waiter);
/* Wakes the `count` that have waited longest; how many it found. */
uint64_t psn_condition_notify(psn_sync *condition, uint64_t count);
uint64_t psn_condition_waiters(psn_sync *condition); /* alive and not yet notified */
/* Numbers that go with a condition, for those who hold its lock. */
#define PSN_CONDITION_NOTES 4
uint64_t psn_condition_note(const psn_sync *condition, unsigned which);
void psn_condition_set_note(psn_sync *condition, unsigned which, uint64_t value);

/* How many forks lie between the first use of the core and this process: what a handle knows of
 * threads in a call is void after one more. */
unsigned psn_fork_count(void);

/* ---- for tests ------------------------------------------------------------------------ */

/* The process kills itself with SIGKILL when it passes the point for the countdown-th time. */
bool psn_kill_point_arm(const char *name, unsigned countdown);
void psn_kill_point_disarm(void);
const char *psn_kill_point_name(size_t number); /* NULL past the last */

#ifdef __cplusplus
}
#endif

#endif
