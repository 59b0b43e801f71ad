/* Finding out whether the C library keeps its robust mutexes as we think, and a thread's list. */
#include "mutex_short_way.h"

#if PSN_HAS_SHORT_WAY

#include "mutex.h"

_Thread_local psn_own_locks psn_own __attribute__((tls_model("initial-exec")));

static pthread_once_t tried = PTHREAD_ONCE_INIT;
static bool is_known;

/* The fields are those that the short way reads or writes. */
static bool looks_held(const struct __pthread_mutex_s *it, struct robust_list_head *list,
                       void *next, uint32_t thread) {
    void *node = (void *)&it->__list.__next;
    return it->__lock == (int)thread && it->__owner == (int)thread && it->__nusers == 1 &&
           (void *)it->__list.__next == next && (void *)it->__list.__prev == (void *)&list->list &&
           (void *)list->list.next == node && list->list_op_pending == NULL &&
           (char *)node + list->futex_offset == (char *)&it->__lock;
}

static bool looks_free(const struct __pthread_mutex_s *it, const struct robust_list_head *list,
                       const void *next) {
    return it->__lock == 0 && it->__owner == 0 && it->__nusers == 0 &&
           (const void *)list->list.next == next && list->list_op_pending == NULL;
}

/* Locked by the C library, it must look as the short way leaves it, and the reverse. */
static bool is_as_expected(struct robust_list_head *list) {
    psn_mutex mutex;
    if (list == NULL || psn_mutex_init(&mutex) != PSN_OK) {
        return false;
    }
    struct __pthread_mutex_s *it = &mutex.mutex.__data;
    void *next = list->list.next;
    uint32_t thread = psn_os_thread();
    if (pthread_mutex_lock(&mutex.mutex) != 0) {
        return false;
    }
    bool expected = looks_held(it, list, next, thread);
    expected = pthread_mutex_unlock(&mutex.mutex) == 0 && expected && looks_free(it, list, next);
    if (expected) {
        psn_own = (psn_own_locks){.list = list, .thread = thread};
        expected = psn_take_short_way(&mutex.mutex) && looks_held(it, list, next, thread) &&
                   pthread_mutex_unlock(&mutex.mutex) == 0 && looks_free(it, list, next) &&
                   pthread_mutex_lock(&mutex.mutex) == 0 &&
                   psn_give_back_short_way(&mutex.mutex) && looks_free(it, list, next);
        psn_own.list = NULL;
    }
    return pthread_mutex_destroy(&mutex.mutex) == 0 && expected;
}

/* The one thread of the child has another number. */
static void forget(void) {
    psn_own.list = NULL;
}

static void try_out(void) {
    is_known = is_as_expected(psn_os_robust_list()) && psn_os_at_fork(NULL, NULL, forget) == 0;
}

bool psn_mutex_has_short_way(void) {
    pthread_once(&tried, try_out);
    return is_known;
}

bool psn_mutex_learn_short_way(void) {
    if (!psn_mutex_has_short_way()) {
        return false;
    }
    psn_own.thread = psn_os_thread();
    psn_own.list = psn_os_robust_list();
    return psn_own.list != NULL;
}

#else

bool psn_mutex_has_short_way(void) {
    return false;
}

#endif
