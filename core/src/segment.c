/* Making, checking and mapping segments. */
#include "segment.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cells.h"
#include "header.h"
#include "arena.h"
#include "peer.h"

static pthread_mutex_t process_mutex = PTHREAD_MUTEX_INITIALIZER;
static psn_segment *segments;

void psn_process_lock(void) {
    pthread_mutex_lock(&process_mutex);
}

void psn_process_unlock(void) {
    pthread_mutex_unlock(&process_mutex);
}

/* ---- around a fork ---- */

static void before_fork(void) {
    psn_process_lock();
    for (psn_segment *segment = segments; segment != NULL; segment = segment->next) {
        psn_peer_before_fork(segment);
    }
    psn_cells_before_fork();
}

static void after_fork_in_parent(void) {
    psn_process_unlock();
}

static unsigned forks;

unsigned psn_fork_count(void) {
    return forks;
}

static void after_fork_in_child(void) {
    forks++;
    for (psn_segment *segment = segments; segment != NULL; segment = segment->next) {
        psn_peer_after_fork(segment);
    }
    psn_cells_after_fork();
    psn_process_unlock();
}

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void register_at_fork(void) {
    psn_os_at_fork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- making and attaching ---- */

static psn_status map_segment(int fd, psn_segment **segment) {
    psn_segment *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return PSN_NO_MEMORY;
    }
    void *control, *mapped;
    psn_status status = psn_os_memory_map(fd, 0, PSN_CONTROL_SIZE, &control);
    if (status == PSN_OK) {
        status = psn_os_scratch_map(PSN_BLOCKS * sizeof(psn_mapped_block), &mapped);
        if (status != PSN_OK) {
            psn_os_memory_unmap(control, PSN_CONTROL_SIZE);
        }
    }
    if (status != PSN_OK) {
        free(made);
        return status;
    }
    made->fd = fd;
    made->control = control;
    made->mapped = mapped;
    psn_store_relaxed32(&made->users, 1);
    *segment = made;
    return PSN_OK;
}

void psn_process_watch_forks(void) {
    pthread_once(&fork_once, register_at_fork);
}

static void enlist(psn_segment *segment) {
    psn_process_watch_forks();
    psn_process_lock();
    segment->next = segments;
    if (segments != NULL) {
        segments->previous = segment;
    }
    segments = segment;
    psn_process_unlock();
}

static psn_status fill_header(psn_segment *segment, psn_segment_kind kind, uint32_t lanes) {
    psn_header *header = psn_segment_header(segment);
    header->block_limit = PSN_BLOCKS;
    header->peer_limit = PSN_PEERS;
    header->lane_count = lanes;
    psn_header_seal(header, kind, PSN_CONTROL_SIZE);

    psn_arena *arena = psn_segment_arena(segment);
    psn_store_relaxed64(&arena->file_end, PSN_CONTROL_SIZE);
    arena->block_count = 1;
    return psn_mutex_init(&arena->lock);
}

psn_status psn_segment_create(psn_segment_kind kind, uint32_t lanes, psn_segment **segment) {
    int fd;
    psn_status status = psn_os_memory_create(PSN_CONTROL_SIZE, &fd);
    if (status != PSN_OK) {
        return status;
    }
    status = map_segment(fd, segment);
    if (status != PSN_OK) {
        psn_os_close(fd);
        return status;
    }
    /* The claims, too: a pool's worker must not die of a store into its own. */
    status = psn_os_memory_reserve(fd, 0,
                                   kind == PSN_SEGMENT_QUEUE ? PSN_PEERS_AT : PSN_CLAIMS_AT);
    if (status == PSN_OK) {
        status = psn_os_memory_reserve(fd, PSN_BLOCKS_AT, psn_os_page_size());
    }
    if (status == PSN_OK) {
        status = fill_header(*segment, kind, lanes);
    }
    enlist(*segment);
    if (status != PSN_OK) {
        psn_segment_release(*segment);
    }
    return status;
}

static psn_status check_header(const psn_header *header, psn_segment_kind kind, uint64_t size) {
    psn_status status = psn_header_check(header, kind, PSN_CONTROL_SIZE, size);
    if (status == PSN_OK && (header->block_limit != PSN_BLOCKS || header->peer_limit != PSN_PEERS ||
                             header->lane_count == 0 || header->lane_count > PSN_LANES)) {
        status = psn_fail(PSN_FOREIGN, "it was made by a program built for another system");
    }
    return status;
}

psn_status psn_segment_attach(int fd, psn_segment_kind kind, psn_segment **segment) {
    uint64_t size;
    psn_status status = psn_header_verify(fd, PSN_CONTROL_SIZE, &size);
    if (status != PSN_OK) {
        return status;
    }
    status = map_segment(fd, segment);
    if (status != PSN_OK) {
        return status;
    }
    status = check_header(psn_segment_header(*segment), kind, size);
    if (status != PSN_OK) {
        (*segment)->fd = -1; /* stays the caller's */
        enlist(*segment);
        psn_segment_release(*segment);
        return status;
    }
    enlist(*segment);
    return PSN_OK;
}

void psn_segment_keep(psn_segment *segment) {
    psn_add_acq_rel32(&segment->users, 1);
}

static void unmap_segment(psn_segment *segment) {
    for (uint32_t i = 0; i < segment->mapped_end; i++) {
        void *address = psn_load_acquire_pointer(&segment->mapped[i].address);
        if (address != NULL) {
            psn_os_memory_unmap(address, psn_load_relaxed64(&segment->mapped[i].capacity));
        }
    }
    psn_os_memory_unmap(segment->mapped, PSN_BLOCKS * sizeof(psn_mapped_block));
    psn_os_memory_unmap(segment->control, PSN_CONTROL_SIZE);
    psn_os_close(segment->fd);
    free(segment);
}

void psn_segment_release(psn_segment *segment) {
    if (psn_add_acq_rel32(&segment->users, UINT32_MAX) != 1) { /* minus one */
        return;
    }
    psn_process_lock();
    if (segment->previous != NULL) {
        segment->previous->next = segment->next;
    } else {
        segments = segment->next;
    }
    if (segment->next != NULL) {
        segment->next->previous = segment->previous;
    }
    if (segment->fd >= 0) {
        psn_peer_leave(segment);
    }
    psn_process_unlock();
    unmap_segment(segment);
}

/* ---- mapping blocks ---- */

/* Several threads may look while one maps: the address is taken away before the rest changes and
 * set after it, so that a reader who sees the same address twice has what belongs together. The
 * capacity is what is mapped, whatever the shared memory may say later. */
static void *mapped_address(const psn_mapped_block *mapped, uint64_t offset, uint64_t *capacity) {
    void *address = psn_load_acquire_pointer(&mapped->address);
    if (address == NULL || psn_load_acquire64(&mapped->offset) != offset) {
        return NULL;
    }
    *capacity = psn_load_acquire64(&mapped->capacity);
    return psn_load_acquire_pointer(&mapped->address) == address ? address : NULL;
}

static psn_status check_range(const psn_segment *segment, uint64_t offset, uint64_t capacity) {
    uint64_t size;
    psn_status status = psn_os_memory_verify(segment->fd, &size);
    if (status == PSN_OK && (offset < PSN_CONTROL_SIZE || capacity == 0 || capacity > size ||
                             offset > size - capacity)) {
        status = psn_fail(PSN_CORRUPT, "a block of %llu bytes lies at %llu, the segment has %llu",
                          (unsigned long long)capacity, (unsigned long long)offset,
                          (unsigned long long)size);
    }
    return status;
}

/* Mappings of free blocks are kept for when they are taken again; where address space is short
 * they are not. With the arena locked nobody can take such a block and use the mapping. */
static void unmap_free_blocks(psn_segment *segment) {
    if (psn_arena_lock(segment) != PSN_OK) {
        return;
    }
    for (uint32_t i = 1; i < segment->mapped_end; i++) {
        uint64_t state = psn_load_acquire64(&psn_segment_block(segment, i)->state);
        psn_block_phase phase = psn_block_phase_of(state);
        void *address = psn_load_acquire_pointer(&segment->mapped[i].address);
        if (address != NULL && phase != PSN_BLOCK_USED && phase != PSN_BLOCK_PREPARING) {
            psn_store_release_pointer(&segment->mapped[i].address, NULL);
            psn_os_memory_unmap(address, psn_load_relaxed64(&segment->mapped[i].capacity));
        }
    }
    psn_arena_unlock(segment);
}

static psn_status map_block(psn_segment *segment, uint32_t index, uint64_t offset) {
    psn_mapped_block *mapped = &segment->mapped[index];
    uint64_t capacity = psn_segment_block(segment, index)->capacity;
    psn_status status = check_range(segment, offset, capacity);
    if (status != PSN_OK) {
        return status;
    }
    void *address = psn_load_acquire_pointer(&mapped->address);
    if (address != NULL) { /* the entry was given other pages: nobody here uses the old ones */
        psn_store_release_pointer(&mapped->address, NULL);
        psn_os_memory_unmap(address, psn_load_relaxed64(&mapped->capacity));
    }
    status = psn_os_memory_map(segment->fd, offset, capacity, &address);
    if (status == PSN_NO_MEMORY) {
        unmap_free_blocks(segment);
        status = psn_os_memory_map(segment->fd, offset, capacity, &address);
    }
    if (status == PSN_OK) {
        psn_store_relaxed32(&mapped->is_populated, 0);
        psn_store_release64(&mapped->capacity, capacity);
        psn_store_release64(&mapped->offset, offset);
        psn_store_release_pointer(&mapped->address, address);
        segment->mapped_end = index < segment->mapped_end ? segment->mapped_end : index + 1;
    }
    return status;
}

psn_status psn_segment_block_address(psn_segment *segment, uint32_t index, void **address,
                                     uint64_t *capacity) {
    if (PSN_UNLIKELY(index == 0 || index >= PSN_BLOCKS)) {
        return psn_fail(PSN_CORRUPT, "there is no block %u", index);
    }
    const psn_mapped_block *mapped = &segment->mapped[index];
    uint64_t offset = psn_segment_block(segment, index)->offset;
    *address = mapped_address(mapped, offset, capacity);
    if (PSN_LIKELY(*address != NULL)) {
        return PSN_OK;
    }
    psn_process_lock();
    psn_status status = PSN_OK;
    *address = mapped_address(mapped, offset, capacity);
    if (*address == NULL) {
        status = map_block(segment, index, offset);
        *address = psn_load_acquire_pointer(&mapped->address);
        *capacity = psn_load_relaxed64(&mapped->capacity);
    }
    psn_process_unlock();
    return status;
}
