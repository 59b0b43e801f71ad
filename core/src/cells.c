/* Making, attaching and giving out cells; who this process is. */
#include "cells.h"

#include <stdlib.h>
#include <string.h>

#include "header.h"
#include "kill_point.h"

#define WAITERS_STEP 64U
#define PID_BITS 22U /* Linux' largest pid is below 1 << 22 */

static psn_cells *all; /* under psn_process_lock */
static psn_atomic64 own_word;
static psn_atomic32 epoch;

/* ---- who holds ---- */

static void mark_mixed(const psn_cells *cells, uint64_t own_namespace) {
    psn_cells_head *head = psn_cells_head_of(cells);
    if (head->namespace != own_namespace) {
        psn_store_relaxed32(&head->is_mixed, 1); /* before any word of ours: released with it */
    }
}

static uint64_t word_of(const psn_os_identity *identity) {
    return 1 | (uint64_t)identity->pid << 1 | identity->birth << (PID_BITS + 1);
}

static uint64_t self_slow(void) {
    psn_os_identity self;
    psn_os_self(&self);
    psn_process_lock();
    for (const psn_cells *cells = all; cells != NULL; cells = cells->next) {
        mark_mixed(cells, self.namespace); /* inherited by a fork into another namespace */
    }
    psn_store_release64(&own_word, word_of(&self));
    psn_process_unlock();
    return word_of(&self);
}

uint64_t psn_holder_self(void) {
    uint64_t word = psn_load_acquire64(&own_word);
    return PSN_LIKELY(word != 0) ? word : self_slow();
}

bool psn_holder_is_dead(const psn_cells *cells, uint64_t holder) {
    const psn_cells_head *head = psn_cells_head_of(cells);
    if (holder == psn_holder_self() || psn_load_relaxed32(&head->is_mixed) != 0) {
        return false;
    }
    psn_os_identity identity = {
        .pid = (uint32_t)(holder >> 1) & ((1U << PID_BITS) - 1),
        .birth = holder >> (PID_BITS + 1),
        .namespace = head->namespace,
    };
    return !psn_os_is_alive(&identity);
}

uint32_t psn_process_epoch(void) {
    return psn_load_relaxed32(&epoch);
}

/* ---- around a fork ---- */

void psn_cells_before_fork(void) {
    for (psn_cells *cells = all; cells != NULL; cells = cells->next) {
        memcpy(cells->exposed, cells->used, sizeof cells->used);
    }
}

void psn_cells_after_fork(void) {
    for (psn_cells *cells = all; cells != NULL; cells = cells->next) {
        cells->is_ours = false; /* the parent's to give out */
    }
    psn_store_relaxed64(&own_word, 0);
    psn_store_relaxed32(&epoch, psn_load_relaxed32(&epoch) + 1);
}

void psn_cells_expose(psn_cells *cells) {
    psn_process_lock();
    memcpy(cells->exposed, cells->used, sizeof cells->used);
    psn_process_unlock();
}

/* ---- making and attaching ---- */

static psn_status map_cells(int fd, psn_cells **cells) {
    psn_cells *made = calloc(1, sizeof *made);
    void *memory;
    if (made == NULL) {
        return PSN_NO_MEMORY;
    }
    psn_status status = psn_os_memory_map(fd, 0, PSN_CELLS_SIZE, &memory);
    if (status != PSN_OK) {
        free(made);
        return status;
    }
    made->fd = fd;
    made->memory = memory;
    psn_store_relaxed32(&made->users, 1);
    *cells = made;
    return PSN_OK;
}

static void free_cells(psn_cells *cells) {
    psn_os_memory_unmap(cells->memory, PSN_CELLS_SIZE);
    psn_os_close(cells->fd);
    free(cells);
}

/* Under psn_process_lock. */
static void enlist(psn_cells *cells) {
    cells->next = all;
    if (all != NULL) {
        all->previous = cells;
    }
    all = cells;
}

static psn_status fill_head(psn_cells *cells) {
    psn_os_identity self;
    psn_cells_head *head = psn_cells_head_of(cells);
    psn_os_self(&self);
    head->made_at = psn_now();
    head->maker = word_of(&self);
    head->namespace = self.namespace;
    psn_header_seal(&head->header, PSN_SEGMENT_CELLS, PSN_CELLS_SIZE);
    return psn_mutex_init(&head->growing);
}

static psn_status create_cells(psn_cells **cells) {
    int fd;
    psn_status status = psn_os_memory_create(PSN_CELLS_SIZE, &fd);
    if (status != PSN_OK) {
        return status;
    }
    status = map_cells(fd, cells);
    if (status != PSN_OK) {
        psn_os_close(fd);
        return status;
    }
    (*cells)->backed = (uint32_t)psn_os_page_size();
    status = psn_os_memory_reserve(fd, 0, (*cells)->backed);
    if (status == PSN_OK) {
        status = fill_head(*cells);
    }
    if (status != PSN_OK) {
        free_cells(*cells);
        return status;
    }
    (*cells)->is_ours = true;
    return PSN_OK;
}

/* Those that this process has already, kept; or NULL. Under psn_process_lock. */
static psn_cells *find_same(const psn_cells_head *head) {
    for (psn_cells *cells = all; cells != NULL; cells = cells->next) {
        const psn_cells_head *other = psn_cells_head_of(cells);
        if (other->made_at == head->made_at && other->maker == head->maker) {
            psn_cells_keep(cells);
            return cells;
        }
    }
    return NULL;
}

psn_status psn_cells_attach(int fd, psn_cells **cells) {
    uint64_t size;
    psn_cells *made;
    psn_status status = psn_header_verify(fd, PSN_CELLS_SIZE, &size);
    if (status == PSN_OK) {
        status = map_cells(fd, &made);
    }
    if (status != PSN_OK) {
        return status;
    }
    psn_cells_head *head = psn_cells_head_of(made);
    status = psn_header_check(&head->header, PSN_SEGMENT_CELLS, PSN_CELLS_SIZE, size);
    if (status != PSN_OK) {
        made->fd = -1; /* stays the caller's */
        free_cells(made);
        return status;
    }
    psn_os_identity self;
    psn_os_self(&self);
    mark_mixed(made, self.namespace);
    psn_process_watch_forks();
    psn_process_lock();
    *cells = find_same(head);
    if (*cells == NULL) {
        enlist(made);
        *cells = made;
        made = NULL;
    }
    psn_process_unlock();
    if (made != NULL) {
        free_cells(made);
    }
    return PSN_OK;
}

void psn_cells_keep(psn_cells *cells) {
    psn_add_acq_rel32(&cells->users, 1);
}

/* Under psn_process_lock, so that nobody finds what is about to go. */
static bool release_locked(psn_cells *cells) {
    if (psn_add_acq_rel32(&cells->users, UINT32_MAX) != 1) { /* minus one */
        return false;
    }
    if (cells->previous != NULL) {
        cells->previous->next = cells->next;
    } else {
        all = cells->next;
    }
    if (cells->next != NULL) {
        cells->next->previous = cells->previous;
    }
    return true;
}

void psn_cells_release(psn_cells *cells) {
    psn_process_lock();
    bool was_last = release_locked(cells);
    psn_process_unlock();
    if (was_last) {
        free_cells(cells);
    }
}

int psn_cells_descriptor(const psn_cells *cells) {
    return cells->fd;
}

void **psn_cells_tag(psn_cells *cells) {
    return &cells->tag;
}

/* ---- giving out ---- */

/* The number of a cell that nobody has, PSN_CELLS when there is none. */
static uint32_t free_number(const psn_cells *cells) {
    for (uint32_t word = 0; word < PSN_CELL_WORDS; word++) {
        if (cells->used[word] != UINT64_MAX) {
            uint32_t number = word * 64 + (uint32_t)__builtin_ctzll(~cells->used[word]);
            return number < PSN_CELLS ? number : PSN_CELLS;
        }
    }
    return PSN_CELLS;
}

static psn_status back_with_pages(psn_cells *cells, uint32_t number) {
    uint32_t end = PSN_CELLS_AT + (number + 1) * (uint32_t)sizeof(psn_cell);
    uint32_t page = (uint32_t)psn_os_page_size(), needed = PSN_ROUND_UP(end, page);
    if (needed <= cells->backed) {
        return PSN_OK;
    }
    psn_status status = psn_os_memory_reserve(cells->fd, cells->backed, needed - cells->backed);
    cells->backed = status == PSN_OK ? needed : cells->backed;
    return status;
}

/* Under psn_process_lock. Ours with a free cell, made anew where there are none; kept. */
static psn_status cells_with_room(psn_cells **cells) {
    for (*cells = all; *cells != NULL; *cells = (*cells)->next) {
        if ((*cells)->is_ours && free_number(*cells) < PSN_CELLS) {
            psn_cells_keep(*cells);
            return PSN_OK;
        }
    }
    psn_status status = create_cells(cells);
    if (status == PSN_OK) {
        enlist(*cells);
    }
    return status;
}

static psn_status make_sync(psn_cells *cells, uint32_t number, psn_sync **sync) {
    psn_sync *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return PSN_NO_MEMORY;
    }
    made->cells = cells;
    made->number = number;
    made->cell = psn_cells_cell(cells, number);
    *sync = made;
    return PSN_OK;
}

static void fill_cell(psn_cell *cell, psn_sync_kind kind, uint64_t value, uint64_t max) {
    memset(cell, 0, sizeof *cell);
    cell->kind = (uint32_t)kind;
    cell->max = max;
    if (kind == PSN_SYNC_SEMAPHORE) {
        psn_store_relaxed64(&cell->word, value);
    } else if (kind == PSN_SYNC_LOCK && value == 0) {
        psn_store_relaxed64(&cell->word, psn_holder_self());
    }
}

psn_status psn_sync_create(psn_sync_kind kind, uint64_t value, uint64_t max, psn_sync **sync) {
    psn_cells *cells;
    uint32_t number = 0;
    psn_process_watch_forks();
    psn_holder_self(); /* takes the lock that is taken here */
    psn_process_lock();
    psn_status status = cells_with_room(&cells);
    if (status != PSN_OK) {
        psn_process_unlock();
        return status;
    }
    number = free_number(cells);
    status = back_with_pages(cells, number);
    if (status == PSN_OK) {
        status = make_sync(cells, number, sync);
    }
    bool was_last = false;
    if (status == PSN_OK) {
        cells->used[number / 64] |= UINT64_C(1) << number % 64;
        fill_cell(psn_cells_cell(cells, number), kind, value, max);
    } else {
        was_last = release_locked(cells);
    }
    psn_process_unlock();
    if (was_last) {
        free_cells(cells);
    }
    return status;
}

psn_status psn_sync_open(psn_cells *cells, uint32_t number, psn_sync_kind kind, psn_sync **sync) {
    if (number >= PSN_CELLS || psn_cells_cell(cells, number)->kind != (uint32_t)kind) {
        return psn_fail(PSN_CORRUPT, "cell %u is of kind %u, not %u", number,
                        number < PSN_CELLS ? psn_cells_cell(cells, number)->kind : 0,
                        (unsigned)kind);
    }
    psn_status status = make_sync(cells, number, sync);
    if (status == PSN_OK) {
        psn_cells_keep(cells);
        psn_process_lock();
        /* Opened twice, closed twice: give it out again only with the memory. */
        cells->exposed[number / 64] |= UINT64_C(1) << number % 64;
        psn_process_unlock();
    }
    return status;
}

void psn_sync_close(psn_sync *sync) {
    psn_cells *cells = sync->cells;
    uint64_t bit = UINT64_C(1) << sync->number % 64, *used = &cells->used[sync->number / 64];
    psn_process_lock();
    if (cells->is_ours && (cells->exposed[sync->number / 64] & bit) == 0) {
        *used &= ~bit;
    }
    bool was_last = release_locked(cells);
    psn_process_unlock();
    if (was_last) {
        free_cells(cells);
    }
    free(sync);
}

psn_cells *psn_sync_cells(const psn_sync *sync) {
    return sync->cells;
}

uint32_t psn_sync_number(const psn_sync *sync) {
    return sync->number;
}

/* ---- waiters ---- */

psn_status psn_cells_grow_waiters(psn_cells *cells, uint32_t seen) {
    psn_cells_head *head = psn_cells_head_of(cells);
    bool abandoned = false; /* then what it had made is made again: nobody has used it */
    if (seen >= PSN_WAITERS) {
        return PSN_FULL;
    }
    psn_status status = psn_mutex_lock(&head->growing, &abandoned);
    if (status != PSN_OK) {
        return status;
    }
    if (psn_load_relaxed32(&head->waiters) == seen) {
        uint64_t offset = PSN_WAITERS_AT + seen * sizeof(psn_waiter);
        status = psn_os_memory_reserve(cells->fd, offset, WAITERS_STEP * sizeof(psn_waiter));
        for (uint32_t i = 0; i < WAITERS_STEP && status == PSN_OK; i++) {
            status = psn_mutex_init(&psn_cells_waiter(cells, seen + i)->life);
        }
        psn_kill_point(PSN_KILL_SYNC_WAITERS_GROWN);
        if (status == PSN_OK) { /* publishes: the locks -> acquired by users of the waiters */
            psn_store_release32(&head->waiters, seen + WAITERS_STEP);
        }
    }
    psn_mutex_unlock(&head->growing);
    return status;
}
