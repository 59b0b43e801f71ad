/* The short way to take and give back a robust mutex that nobody contends for.
 *
 * The kernel knows what a thread holds by a list in the thread's own memory (get_robust_list(2), and
 * "robust-futexes" in the kernel's documentation). The C library keeps that list for its robust
 * mutexes; here the same few stores are made in line, without its checks for other kinds of mutex:
 * 7 ns a pair instead of 23, and every message pays for two pairs. The mutex stays the C library's in
 * each field, and whatever is not plain (it is held, its holder died, somebody waits for it)
 * is left to the C library. So both ways may be mixed at will, by processes and by calls.
 *
 * A C library is not obliged to lay its mutexes out like this. Therefore each process tries it out
 * on a mutex of its own, once, and goes the long way ever after should it see anything else.
 */
#ifndef PSN_MUTEX_SHORT_WAY_H
#define PSN_MUTEX_SHORT_WAY_H

#include <linux/futex.h>
#include <pthread.h>

#include "os.h"

/* The sanitizer knows of mutexes by the calls to the C library. */
#if defined(__SANITIZE_THREAD__)
#define PSN_HAS_SHORT_WAY 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PSN_HAS_SHORT_WAY 0
#endif
#endif
#if !defined(PSN_HAS_SHORT_WAY) && defined(__GLIBC__) && defined(__PTHREAD_MUTEX_HAVE_PREV)
#define PSN_HAS_SHORT_WAY __PTHREAD_MUTEX_HAVE_PREV
#endif
#if !defined(PSN_HAS_SHORT_WAY)
#define PSN_HAS_SHORT_WAY 0
#endif

/* Whether this process goes the short way. */
bool psn_mutex_has_short_way(void);

#if PSN_HAS_SHORT_WAY

typedef struct {
    struct robust_list_head *list; /* NULL: not asked for yet, or the long way */
    uint32_t thread;               /* the kernel's number of it */
} psn_own_locks;

/* (A call of __tls_get_addr each time, as in other models, costs as much as the short way saves.) */
extern _Thread_local psn_own_locks psn_own __attribute__((visibility("hidden"), tls_model("initial-exec")));

/* Asks for this thread's list; false where it goes the long way. */
bool psn_mutex_learn_short_way(void);

/* Links lead from one `next` to another, whose `prev` lies before it; a tag is in the lowest bit. */
static inline struct robust_list *psn_link_target(void *link) {
    return (struct robust_list *)((uintptr_t)link & ~(uintptr_t)1);
}

static inline void psn_link_back(struct robust_list_head *list, void *from, void *to) {
    struct robust_list *target = psn_link_target(from);
    if (PSN_UNLIKELY(target != &list->list)) { /* another lock is held, too */
        ((void **)(void *)target)[-1] = to;
    }
}

/* True when it is taken. Each store leaves a list that the kernel can follow; from the first to the
 * last of them `list_op_pending` names the mutex, which the kernel looks at besides. */
static inline bool psn_take_short_way(pthread_mutex_t *mutex) {
    if (PSN_UNLIKELY(psn_own.list == NULL) && !psn_mutex_learn_short_way()) {
        return false;
    }
    struct robust_list_head *list = psn_own.list;
    struct __pthread_mutex_s *it = &mutex->__data;
    psn_atomic32 *word = (psn_atomic32 *)(void *)&it->__lock;
    uint32_t nobody = 0;
    if (psn_load_relaxed32(word) != nobody) {
        return false;
    }
    list->list_op_pending = (struct robust_list *)(void *)&it->__list.__next;
    psn_order_stores();
    if (!psn_cas_acq_rel32(word, &nobody, psn_own.thread)) {
        psn_order_stores();
        list->list_op_pending = NULL;
        return false;
    }
    it->__list.__next = (void *)list->list.next;
    it->__list.__prev = (void *)&list->list;
    psn_link_back(list, list->list.next, &it->__list.__next);
    psn_order_stores();
    list->list.next = (struct robust_list *)(void *)&it->__list.__next;
    psn_order_stores();
    list->list_op_pending = NULL;
    it->__owner = (int)psn_own.thread;
    it->__nusers++;
    return true;
}

/* True when it is given back, which is a full fence; false, and nothing done, where it is not this
 * thread's, as in the child of a fork that happened under it. */
static inline bool psn_give_back_short_way(pthread_mutex_t *mutex) {
    struct robust_list_head *list = psn_own.list;
    struct __pthread_mutex_s *it = &mutex->__data;
    psn_atomic32 *word = (psn_atomic32 *)(void *)&it->__lock;
    if (PSN_UNLIKELY(list == NULL) ||
        PSN_UNLIKELY((psn_load_relaxed32(word) & FUTEX_TID_MASK) != psn_own.thread)) {
        return false;
    }
    void *node = &it->__list.__next, *next = it->__list.__next, *prev = it->__list.__prev;
    it->__owner = 0;
    it->__nusers--;
    list->list_op_pending = (struct robust_list *)node;
    psn_order_stores();
    if (PSN_LIKELY(list->list.next == (struct robust_list *)node)) {
        list->list.next = (struct robust_list *)next;
    } else {
        psn_link_target(prev)->next = (struct robust_list *)next;
    }
    psn_link_back(list, next, prev);
    psn_order_stores();
    if (PSN_UNLIKELY((psn_exchange_fenced32(word, 0) & FUTEX_WAITERS) != 0)) {
        psn_os_futex_wake(word, 1);
    }
    psn_order_stores();
    list->list_op_pending = NULL;
    return true;
}

#endif
#endif
