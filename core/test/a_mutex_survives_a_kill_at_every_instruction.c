/* Description: a process that takes and gives back locks is stepped through by a debugger's means and
 * killed after each instruction; whoever comes next gets every lock at once, and so does who waits.
 * Also in another order than they were taken in, and among locks that the C library takes by itself. */
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "harness.h"
#include "mutex.h"
#include "mutex_short_way.h"

#define MOST_STEPS 5000U

static struct {
    psn_mutex first, second, third;
    psn_atomic32 got;                      /* by who waits */
    psn_atomic32 begun, done;              /* by who is stepped through */
} *all;

static void lock(psn_mutex *mutex) {
    bool abandoned = false;
    CHECK_STATUS(PSN_OK, psn_mutex_lock(mutex, &abandoned));
}

/* ---- what is stepped through ---- */

static void one(void) {
    lock(&all->first);
    psn_mutex_unlock(&all->first);
}

static void nested(void) {
    lock(&all->first);
    lock(&all->second);
    psn_mutex_unlock(&all->second);
    psn_mutex_unlock(&all->first);
}

static void crossed(void) {
    lock(&all->first);
    lock(&all->second);
    lock(&all->third);
    psn_mutex_unlock(&all->second);
    psn_mutex_unlock(&all->first);
    psn_mutex_unlock(&all->third);
}

/* What the C library does with its lists must fit ours, and the reverse. */
static void mixed(void) {
    lock(&all->first);
    CHECK_EQUAL(0, pthread_mutex_lock(&all->second.mutex));
    lock(&all->third);
    CHECK_EQUAL(0, pthread_mutex_unlock(&all->second.mutex));
    psn_mutex_unlock(&all->first);
    CHECK_EQUAL(0, pthread_mutex_unlock(&all->third.mutex));
}

static void give_back(void) {
    psn_mutex_unlock(&all->first);
}

/* ---- the one who is killed ---- */

typedef struct {
    void (*steps)(void);
    bool holds_first; /* from before the first step */
} scenario;

static void be_stepped(void *context) {
    const scenario *what = context;
    lock(&all->third); /* this thread's list is asked for */
    psn_mutex_unlock(&all->third);
    if (what->holds_first) {
        lock(&all->first);
    }
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        _exit(77);
    }
    raise(SIGSTOP);
    psn_store_release32(&all->begun, 1);
    what->steps();
    psn_store_release32(&all->done, 1);
}

static void step_once(pid_t pid) {
    int status;
    CHECK_EQUAL(0, ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL));
    CHECK_EQUAL(pid, waitpid(pid, &status, 0));
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
}

/* To the first instruction of the steps, and so many on; false when they were done before. */
static bool step(pid_t pid, unsigned count) {
    while (psn_load_acquire32(&all->begun) == 0) {
        step_once(pid);
    }
    for (unsigned i = 0; i < count && psn_load_acquire32(&all->done) == 0; i++) {
        step_once(pid);
    }
    return psn_load_acquire32(&all->done) == 0;
}

static pid_t stopped_child(const scenario *what) {
    int status;
    psn_store_release32(&all->begun, 0);
    psn_store_release32(&all->done, 0);
    pid_t pid = child(be_stepped, (void *)(uintptr_t)what);
    CHECK_EQUAL(pid, waitpid(pid, &status, 0));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        puts("skipped: no process may trace another here");
        exit(77);
    }
    CHECK(WIFSTOPPED(status));
    return pid;
}

static void kill_now(pid_t pid) {
    CHECK_EQUAL(0, kill(pid, SIGKILL));
    ends_killed(pid);
}

static void is_free(psn_mutex *mutex) {
    bool abandoned = false;
    CHECK_STATUS(PSN_OK, psn_mutex_try_lock(mutex, &abandoned));
    psn_mutex_unlock(mutex);
}

/* What was held when it died has been marked by then: whoever comes gets it without a wait. */
static void next_gets_every_lock(const char *name, const scenario *what) {
    unsigned steps = 0;
    what->steps(); /* what the dynamic linker does at a first call is done */
    for (bool goes_on = true; goes_on; steps++) {
        CHECK(steps < MOST_STEPS);
        pid_t pid = stopped_child(what);
        goes_on = step(pid, steps);
        kill_now(pid);
        is_free(&all->first);
        is_free(&all->second);
        is_free(&all->third);
    }
    printf("%s: killed after each of %u instructions\n", name, steps - 1);
}

/* ---- the one who waits ---- */

static void wait_for_first(void *context) {
    (void)context;
    lock(&all->first);
    psn_store_release32(&all->got, 1);
    psn_mutex_unlock(&all->first);
}

static bool is_waited_for(void) {
    const psn_atomic32 *word = (const psn_atomic32 *)(const void *)&all->first.mutex;
    return (psn_load_acquire32(word) & FUTEX_WAITERS) != 0;
}

static void who_waits_gets_it(void) {
    const scenario what = {.steps = give_back, .holds_first = true};
    unsigned steps = 0;
    for (bool goes_on = true; goes_on; steps++) {
        CHECK(steps < MOST_STEPS);
        psn_store_release32(&all->got, 0);
        pid_t pid = stopped_child(&what), waiter = child(wait_for_first, NULL);
        EVENTUALLY(is_waited_for());
        goes_on = step(pid, steps);
        kill_now(pid);
        EVENTUALLY(psn_load_acquire32(&all->got) == 1);
        ends_well(waiter);
    }
    printf("waited for: killed after each of %u instructions\n", steps - 1);
}

int main(void) {
    begin(120);
    if (under_sanitizer()) {
        puts("skipped: these are not the instructions that ship");
        return 77;
    }
#if !defined(__x86_64__)
    /* A load and its conditional store (ARM64) never succeed with a stop between them. */
    puts("skipped: only where an atomic operation is one instruction");
    return 77;
#endif
#if PSN_HAS_SHORT_WAY
    CHECK(psn_mutex_has_short_way()); /* else this would step through the C library alone */
#endif
    all = shared_memory(sizeof *all);
    CHECK_STATUS(PSN_OK, psn_mutex_init(&all->first));
    CHECK_STATUS(PSN_OK, psn_mutex_init(&all->second));
    CHECK_STATUS(PSN_OK, psn_mutex_init(&all->third));
    next_gets_every_lock("one lock", &(scenario){.steps = one});
    next_gets_every_lock("one in the other", &(scenario){.steps = nested});
    next_gets_every_lock("crossed", &(scenario){.steps = crossed});
    next_gets_every_lock("mixed with the C library's", &(scenario){.steps = mixed});
    who_waits_gets_it();
    return 0;
}
