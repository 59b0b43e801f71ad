/* Every atomic operation of the core, under a name that says its memory order.
 *
 * The only file that spells an order, so that a review for ARM64 can walk the pairs:
 * each `store_release` names in a comment at its call which `load_acquire` receives it.
 * The Dekker pattern (store mine, look at yours) needs `fence_seq` on both sides.
 */
#ifndef PSN_ATOMIC_H
#define PSN_ATOMIC_H

#include <stdatomic.h>

#include "compiler.h"

typedef struct {
    _Atomic uint32_t value;
} psn_atomic32;
typedef struct {
    _Atomic uint64_t value;
} psn_atomic64;

typedef struct {
    _Atomic(void *) value;
} psn_atomic_pointer; /* within one process only */

/* Shared memory needs atomics that are the same for every process: lock-free ones. */
static_assert(ATOMIC_INT_LOCK_FREE == 2, "32-bit atomics must be lock-free");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock-free");

static inline uint32_t psn_load_relaxed32(const psn_atomic32 *a) {
    return atomic_load_explicit(&a->value, memory_order_relaxed);
}
static inline uint64_t psn_load_relaxed64(const psn_atomic64 *a) {
    return atomic_load_explicit(&a->value, memory_order_relaxed);
}
static inline uint32_t psn_load_acquire32(const psn_atomic32 *a) {
    return atomic_load_explicit(&a->value, memory_order_acquire);
}
static inline uint64_t psn_load_acquire64(const psn_atomic64 *a) {
    return atomic_load_explicit(&a->value, memory_order_acquire);
}
static inline void psn_store_relaxed32(psn_atomic32 *a, uint32_t v) {
    atomic_store_explicit(&a->value, v, memory_order_relaxed);
}
static inline void psn_store_relaxed64(psn_atomic64 *a, uint64_t v) {
    atomic_store_explicit(&a->value, v, memory_order_relaxed);
}
static inline void psn_store_release32(psn_atomic32 *a, uint32_t v) {
    atomic_store_explicit(&a->value, v, memory_order_release);
}
static inline void psn_store_release64(psn_atomic64 *a, uint64_t v) {
    atomic_store_explicit(&a->value, v, memory_order_release);
}
static inline void *psn_load_acquire_pointer(const psn_atomic_pointer *a) {
    return atomic_load_explicit(&a->value, memory_order_acquire);
}
static inline void psn_store_release_pointer(psn_atomic_pointer *a, void *v) {
    atomic_store_explicit(&a->value, v, memory_order_release);
}
static inline uint32_t psn_add_acq_rel32(psn_atomic32 *a, uint32_t v) {
    return atomic_fetch_add_explicit(&a->value, v, memory_order_acq_rel);
}
static inline uint64_t psn_add_seq64(psn_atomic64 *a, uint64_t v) {
    return atomic_fetch_add_explicit(&a->value, v, memory_order_seq_cst);
}
static inline uint64_t psn_add_relaxed64(psn_atomic64 *a, uint64_t v) {
    return atomic_fetch_add_explicit(&a->value, v, memory_order_relaxed);
}
static inline uint64_t psn_or_acq_rel64(psn_atomic64 *a, uint64_t v) {
    return atomic_fetch_or_explicit(&a->value, v, memory_order_acq_rel);
}
static inline uint64_t psn_and_acq_rel64(psn_atomic64 *a, uint64_t v) {
    return atomic_fetch_and_explicit(&a->value, v, memory_order_acq_rel);
}
static inline uint32_t psn_or_acq_rel32(psn_atomic32 *a, uint32_t v) {
    return atomic_fetch_or_explicit(&a->value, v, memory_order_acq_rel);
}
/* On failure *expected holds what was found. */
static inline bool psn_cas_acq_rel64(psn_atomic64 *a, uint64_t *expected, uint64_t v) {
    return atomic_compare_exchange_strong_explicit(&a->value, expected, v, memory_order_acq_rel,
                                                   memory_order_acquire);
}
static inline bool psn_cas_acq_rel32(psn_atomic32 *a, uint32_t *expected, uint32_t v) {
    return atomic_compare_exchange_strong_explicit(&a->value, expected, v, memory_order_acq_rel,
                                                   memory_order_acquire);
}
static inline bool psn_cas_seq64(psn_atomic64 *a, uint64_t *expected, uint64_t v) {
    return atomic_compare_exchange_strong_explicit(&a->value, expected, v, memory_order_seq_cst,
                                                   memory_order_seq_cst);
}
static inline void psn_fence_seq(void) {
    atomic_thread_fence(memory_order_seq_cst);
}
/* Exchanges, and is what `fence_seq` is besides: for nothing where the instruction is one anyway. */
static inline uint32_t psn_exchange_fenced32(psn_atomic32 *a, uint32_t v) {
    uint32_t before = atomic_exchange_explicit(&a->value, v, memory_order_seq_cst);
#if !defined(__x86_64__) && !defined(__i386__)
    psn_fence_seq();
#endif
    return before;
}
/* The stores before are made before the stores after, as far as a SIGKILL of this very thread can
 * tell them apart: it falls between two instructions, so only the compiler has to be held. Whoever
 * goes on from there has taken the dead thread's lock, which orders the rest. */
static inline void psn_order_stores(void) {
    atomic_signal_fence(memory_order_release);
}

/* Between two looks in a spin loop: lets the sibling hardware thread run. */
static inline void psn_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory"); /* `yield` is a no-op on most ARM64 cores */
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

#endif
