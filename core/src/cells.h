/* Memory that locks, semaphores, flags and conditions share, a cell for each.
 *
 *   0         psn_cells_head                what the cells are, and counters for waiters
 *   512       psn_cell[508]                 one each
 *   64 KiB    psn_waiter[1024]              who waits for a condition; backed as needed
 *
 * A descriptor for each lock would soon be too many: programs make a lock with every shared
 * number. So a process makes cells by the hundred, and a lock is a number in them.
 *
 * Only the process that made the memory gives out its cells, and it gives a cell out again only
 * when no other process can have learnt of it: none was forked and nothing was pickled while it
 * was in use. All others stay as they are until the memory goes, with its last user.
 */
#ifndef PSN_CELLS_H
#define PSN_CELLS_H

#include "segment.h"

typedef struct {
    uint32_t kind; /* a psn_sync_kind; 0: never given out */
    uint32_t reserved;
    uint64_t max;
    psn_atomic64 word; /* semaphore: how many are left; lock: its holder, 0 = free;
                          flag: how often it was set << 1 | is it set */
    psn_event event;
    psn_atomic64 notes[PSN_CONDITION_NOTES];
    uint64_t unused[8];
} psn_cell;
static_assert(sizeof(psn_cell) == PSN_CACHE_GROUP, "no two cells share a cache line");

typedef enum { PSN_WAITER_IDLE = 0, PSN_WAITER_WAITING = 1, PSN_WAITER_NOTIFIED = 2 } psn_waiting;

typedef struct {
    psn_mutex life;     /* held by the waiting thread: the kernel tells of its death */
    psn_atomic32 state; /* turn << 2 | a psn_waiting; the futex on which it sleeps */
    psn_atomic32 cell;  /* of the condition */
    psn_atomic64 order; /* its turn: who came earlier has less */
    uint64_t reserved;
} psn_waiter;
static_assert(sizeof(psn_waiter) == 64, "one cache line a waiter");

typedef struct {
    psn_header header;
    PSN_ALIGNED uint64_t made_at; /* with `maker`: no two memories have the same */
    uint64_t maker;               /* holder word of the process that made it */
    uint64_t namespace;           /* in which the holders' pids mean something */
    psn_atomic32 is_mixed;        /* used from another one, too: judge nobody by its pid */
    PSN_ALIGNED psn_mutex growing;
    psn_atomic32 waiters;         /* usable; raised under `growing`, never lowered */
    psn_atomic64 order;
} psn_cells_head;

#define PSN_CELLS_AT 512U
#define PSN_WAITERS_AT 65536U
#define PSN_CELLS ((PSN_WAITERS_AT - PSN_CELLS_AT) / (uint32_t)sizeof(psn_cell))
#define PSN_CELLS_SIZE (PSN_WAITERS_AT + PSN_WAITERS * (uint32_t)sizeof(psn_waiter))
#define PSN_CELL_WORDS ((PSN_CELLS + 63) / 64)
static_assert(sizeof(psn_cells_head) <= PSN_CELLS_AT, "the cells come after the head");

/* As this process has them. */
struct psn_cells {
    int fd;
    char *memory;
    psn_atomic32 users;
    void *tag;
    /* Under psn_process_lock. */
    bool is_ours;          /* this process made them and gives them out */
    uint32_t backed;       /* bytes that have pages */
    uint64_t used[PSN_CELL_WORDS], exposed[PSN_CELL_WORDS];
    psn_cells *next, *previous;
};

struct psn_sync {
    psn_cells *cells;
    psn_cell *cell;
    uint32_t number;
    psn_atomic64 judged_at; /* psn_now when its holder was last looked after from here */
};

static inline psn_cells_head *psn_cells_head_of(const psn_cells *cells) {
    return (psn_cells_head *)(void *)cells->memory;
}
static inline psn_cell *psn_cells_cell(const psn_cells *cells, uint32_t number) {
    return (psn_cell *)(void *)(cells->memory + PSN_CELLS_AT) + number;
}
static inline psn_waiter *psn_cells_waiter(const psn_cells *cells, uint32_t number) {
    return (psn_waiter *)(void *)(cells->memory + PSN_WAITERS_AT) + number;
}

/* This process in one word, never 0: 1 | pid << 1 | birth << 23. */
uint64_t psn_holder_self(void);
/* Is it certain that the holder has ended? */
bool psn_holder_is_dead(const psn_cells *cells, uint64_t holder);

/* Makes more waiters usable than the `seen` that are all taken; PSN_FULL at PSN_WAITERS. */
psn_status psn_cells_grow_waiters(psn_cells *cells, uint32_t seen);

void psn_cells_before_fork(void); /* under psn_process_lock */
void psn_cells_after_fork(void);  /* in the child, under psn_process_lock */

/* How long a sleeper sleeps before it looks again: a wake is lost with whoever was to make it. */
#define PSN_LONGEST_NAP (UINT64_C(100) * 1000 * 1000)

#endif
