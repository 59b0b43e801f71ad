/* Description: a process is killed at each step of taking and giving back a lock or semaphore, of
 * setting a flag, and of waiting for a condition and notifying; the next owner has the lock
 * within half a second and learns of it, the other waiters are woken, in order and in the right
 * number, and the places of the dead are found again. Locks exclude each other under contention
 * of processes and threads. Cells are told from other memory. PSN_REPEAT=1000 for a long run. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "cells.h"
#include "harness.h"

#define PASSES 40

static psn_sync *lock, *semaphore, *flag, *condition;
static uint64_t *told; /* shared with the children: a counter that the lock guards */

static void make_all(void) {
    CHECK_STATUS(PSN_OK, psn_sync_create(PSN_SYNC_LOCK, 1, 1, &lock));
    CHECK_STATUS(PSN_OK, psn_sync_create(PSN_SYNC_SEMAPHORE, 3, 1000000, &semaphore));
    CHECK_STATUS(PSN_OK, psn_sync_create(PSN_SYNC_FLAG, 0, 0, &flag));
    CHECK_STATUS(PSN_OK, psn_sync_create(PSN_SYNC_CONDITION, 0, 0, &condition));
}

static void close_all(void) {
    psn_sync_close(lock);
    psn_sync_close(semaphore);
    psn_sync_close(flag);
    psn_sync_close(condition);
}

static bool take(psn_sync *sync) {
    bool abandoned;
    psn_status status = psn_semaphore_wait(sync, in_future(20 * SECOND), &abandoned);
    CHECK_STATUS(PSN_OK, status);
    return abandoned;
}

static void give(psn_sync *sync) {
    CHECK_STATUS(PSN_OK, psn_semaphore_give(sync));
}

/* Waits for the condition, holding the lock before and after; was it notified? */
static bool wait_notified(uint64_t deadline) {
    uint32_t waiter;
    CHECK_STATUS(PSN_OK, psn_condition_enter(condition, &waiter));
    give(lock);
    psn_status status = psn_condition_sleep(condition, waiter, deadline);
    CHECK(status == PSN_OK || status == PSN_TIMEOUT);
    bool notified = psn_condition_leave(condition, waiter);
    take(lock);
    return notified;
}

/* ---- killed at every step ---- */

typedef struct {
    const char *point;
    unsigned countdown;
    bool has_partner;
} attempt;

/* Goes by every point, some of them only while a partner is there. */
static void pass_all_points(void *context) {
    const attempt *now = context;
    CHECK(psn_kill_point_arm(now->point, now->countdown));
    for (int pass = 0; pass < PASSES; pass++) {
        take(lock);
        psn_condition_notify(condition, 1);
        wait_notified(in_future(now->has_partner ? 3 * MILLISECOND : MILLISECOND / 10));
        psn_condition_notify(condition, UINT64_MAX);
        give(lock);
        CHECK_STATUS(PSN_OK, psn_semaphore_wait(semaphore, in_future(SECOND), &(bool){0}));
        give(semaphore);
        psn_flag_set(flag);
        psn_flag_clear(flag);
    }
}

static void be_partner(void *context) {
    (void)context;
    while (__atomic_load_n(told, __ATOMIC_ACQUIRE) == 0) {
        take(lock);
        wait_notified(in_future(2 * MILLISECOND));
        psn_condition_notify(condition, 1);
        give(lock);
        psn_flag_wait(flag, in_future(MILLISECOND));
    }
}

static void check_next_owner(void) {
    uint64_t before = psn_now();
    take(lock);
    CHECK(psn_now() - before < (under_sanitizer() ? 20 * SECOND : SECOND / 2));
    CHECK_EQUAL(0, psn_condition_waiters(condition)); /* the dead are no waiters */
    give(lock);
    CHECK_EQUAL(1, psn_semaphore_value(lock));
    /* What a dead process had taken of a semaphore is gone, and never more than that. */
    CHECK(psn_semaphore_value(semaphore) >= 2 && psn_semaphore_value(semaphore) <= 3);
}

/* Was the point reached? */
static bool kill_once(attempt *now) {
    __atomic_store_n(told, 0, __ATOMIC_RELEASE);
    pid_t partner = now->has_partner ? child(be_partner, NULL) : 0;
    pid_t victim = child(pass_all_points, now);
    int status = end_of(victim, 50);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    CHECK(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    __atomic_store_n(told, 1, __ATOMIC_RELEASE);
    if (partner != 0) {
        ends_well(partner);
    }
    check_next_owner();
    return killed;
}

static void kill_at_every_step(void) {
    static const char *const points[] = {
        "sync.taken",           "sync.given",           "sync.woke",
        "sync.flag_set",        "sync.waiter_claimed",  "sync.waiter_entered",
        "sync.waiter_notified", "sync.waiter_leaving",  "wait.registered",
        "wait.woken",           "wake.claimed",         "sync.waiters_grown"};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        unsigned kills = 0;
        for (unsigned time = 0; time < repeat(3); time++) {
            attempt now = {.point = points[i], .has_partner = time % 3 != 0};
            make_all();
            now.countdown = strcmp(points[i], "sync.waiters_grown") == 0
                                ? 1
                                : 1 + (unsigned)random() % (PASSES / 4);
            kills += kill_once(&now);
            close_all();
        }
        if (kills == 0) {
            FAIL("nothing comes by the kill point %s", points[i]);
        }
        printf("%-24s %4u kills\n", points[i], kills);
    }
}

/* ---- taking over ---- */

static void hold(void *context) {
    (void)context;
    take(lock);
    __atomic_store_n(told, 1, __ATOMIC_RELEASE);
    pause();
}

static void take_over_and_die(void *context) {
    (void)context;
    CHECK(psn_kill_point_arm("sync.taken_over", 1));
    take(lock);
}

static void holder_is_killed(void) {
    for (unsigned time = 0; time < repeat(5); time++) {
        make_all();
        __atomic_store_n(told, 0, __ATOMIC_RELEASE);
        pid_t holder = child(hold, NULL);
        EVENTUALLY(__atomic_load_n(told, __ATOMIC_ACQUIRE) == 1);
        bool abandoned;
        CHECK_STATUS(PSN_BUSY, psn_semaphore_try(lock));
        CHECK_STATUS(PSN_TIMEOUT,
                     psn_semaphore_wait(lock, in_future(5 * MILLISECOND), &abandoned));
        kill(holder, SIGKILL);
        if (time % 2 == 0) {
            ends_killed(holder); /* else it stays a zombie: dead, too */
        }
        ends_killed(child(take_over_and_die, NULL));
        uint64_t before = psn_now();
        CHECK(take(lock));
        CHECK(psn_now() - before < SECOND / 2);
        give(lock);
        CHECK(!take(lock)); /* the one after it has nothing to learn */
        CHECK_STATUS(PSN_OK, psn_semaphore_give(lock));
        CHECK_STATUS(PSN_FULL, psn_semaphore_give(lock));
        if (time % 2 == 1) {
            ends_killed(holder);
        }
        close_all();
    }
}

/* ---- order and number of those who are notified ---- */

static void wait_in_line(void *context) {
    uint64_t number = (uint64_t)(uintptr_t)context;
    take(lock);
    CHECK(wait_notified(in_future(50 * SECOND)));
    told[8 + told[1]++] = number;
    give(lock);
}

static void the_longest_waiting_live_are_notified(void) {
    enum { COUNT = 8 };
    pid_t pids[COUNT];
    make_all();
    memset(told, 0, 4096);
    for (uint64_t i = 0; i < COUNT; i++) {
        pids[i] = child(wait_in_line, (void *)(uintptr_t)i);
        EVENTUALLY(psn_condition_waiters(condition) == i + 1);
    }
    for (uint64_t i = 0; i < COUNT; i += 3) {
        kill(pids[i], SIGKILL);
        ends_killed(pids[i]);
    }
    CHECK_EQUAL(5, psn_condition_waiters(condition)); /* 1 2 4 5 7 */
    take(lock);
    CHECK_EQUAL(2, psn_condition_notify(condition, 2));
    CHECK_EQUAL(3, psn_condition_waiters(condition));
    give(lock);
    ends_well(pids[1]);
    ends_well(pids[2]);
    CHECK_EQUAL(2, told[1]);
    take(lock);
    CHECK_EQUAL(1, psn_condition_notify(condition, 1));
    give(lock);
    ends_well(pids[4]);
    take(lock);
    CHECK_EQUAL(2, psn_condition_notify(condition, 1000000));
    CHECK_EQUAL(0, psn_condition_notify(condition, 1));
    give(lock);
    ends_well(pids[5]);
    ends_well(pids[7]);
    CHECK_EQUAL(5, told[1]);
    close_all();
}

/* ---- contention ---- */

static void *count_up(void *times) {
    for (uint64_t i = 0; i < *(const uint64_t *)times; i++) {
        take(lock);
        *told += 1; /* not atomic: the lock makes it so */
        give(lock);
    }
    return NULL;
}

static void count_with_threads(void *context) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        CHECK_EQUAL(0, pthread_create(&threads[i], NULL, count_up, context));
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQUAL(0, pthread_join(threads[i], NULL));
    }
}

static void locks_exclude(void) {
    uint64_t times = under_sanitizer() ? 2000 : 20000;
    make_all();
    *told = 0;
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = child(count_with_threads, &times);
    }
    count_with_threads(&times);
    for (int i = 0; i < 3; i++) {
        ends_well(pids[i]);
    }
    CHECK_EQUAL(12 * times, *told);
    close_all();
}

/* ---- signals ---- */

static void ignore_signal(int number) {
    (void)number;
}

static void interrupt_parent(void *context) {
    (void)context;
    while (__atomic_load_n(told, __ATOMIC_ACQUIRE) == 0) {
        kill(getppid(), SIGUSR1);
        usleep(2000);
    }
}

static void signals_are_told(void) {
    struct sigaction action = {.sa_handler = ignore_signal};
    bool abandoned;
    uint32_t waiter;
    sigaction(SIGUSR1, &action, NULL);
    make_all();
    take(lock);
    __atomic_store_n(told, 0, __ATOMIC_RELEASE);
    pid_t other = child(interrupt_parent, NULL);
    CHECK_STATUS(PSN_INTERRUPTED, psn_semaphore_wait(lock, in_future(20 * SECOND), &abandoned));
    CHECK_STATUS(PSN_INTERRUPTED, psn_flag_wait(flag, in_future(20 * SECOND)));
    CHECK_STATUS(PSN_OK, psn_condition_enter(condition, &waiter));
    CHECK_STATUS(PSN_INTERRUPTED,
                 psn_condition_sleep(condition, waiter, in_future(20 * SECOND)));
    CHECK(!psn_condition_leave(condition, waiter));
    __atomic_store_n(told, 1, __ATOMIC_RELEASE);
    while (waitpid(other, NULL, 0) < 0 && errno == EINTR) {
    }
    close_all();
}

/* ---- cells ---- */

static void cells_are_shared_and_given_back(void) {
    enum { COUNT = 3 * PSN_CELLS };
    static psn_sync *many[COUNT];
    unsigned descriptors = count_descriptors(), maps = count_maps();
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_STATUS(PSN_OK, psn_sync_create(PSN_SYNC_LOCK, 1, 1, &many[i]));
    }
    CHECK_EQUAL(descriptors + 3, count_descriptors());
    /* Attached twice is attached once, and a number there names the same lock. */
    psn_cells *cells;
    psn_sync *same;
    int copy = fcntl(psn_cells_descriptor(psn_sync_cells(many[7])), F_DUPFD_CLOEXEC, 0);
    CHECK_STATUS(PSN_OK, psn_cells_attach(copy, &cells));
    CHECK(cells == psn_sync_cells(many[7]));
    CHECK_STATUS(PSN_OK, psn_sync_open(cells, psn_sync_number(many[7]), PSN_SYNC_LOCK, &same));
    take(many[7]);
    CHECK_STATUS(PSN_BUSY, psn_semaphore_try(same));
    CHECK_STATUS(PSN_CORRUPT, psn_sync_open(cells, 3, PSN_SYNC_FLAG, &same));
    CHECK_STATUS(PSN_CORRUPT, psn_sync_open(cells, 100000, PSN_SYNC_LOCK, &same));
    psn_sync_close(same);
    psn_cells_release(cells);
    for (size_t i = 0; i < COUNT; i++) {
        psn_sync_close(many[i]);
    }
    CHECK_EQUAL(descriptors, count_descriptors());
    CHECK_EQUAL(maps, count_maps());
}

static void other_memory_is_refused(void) {
    psn_cells *cells;
    psn_queue *queue;
    int memory, doorbell, nothing = open("/dev/null", O_RDWR);
    CHECK_STATUS(PSN_FOREIGN, psn_cells_attach(nothing, &cells));
    CHECK_STATUS(PSN_OK, psn_queue_create(0, &queue));
    psn_queue_descriptors(queue, &memory, &doorbell);
    CHECK_STATUS(PSN_FOREIGN, psn_cells_attach(memory, &cells));
    psn_queue_detach(queue);
    close(nothing);
}

int main(void) {
    begin(300);
    srandom((unsigned)psn_now());
    told = shared_memory(4096);
    cells_are_shared_and_given_back();
    other_memory_is_refused();
    locks_exclude();
    signals_are_told();
    the_longest_waiting_live_are_notified();
    holder_is_killed();
    kill_at_every_step();
    return 0;
}
