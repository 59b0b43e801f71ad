/* Description: processes that use a lock, a semaphore, a flag and a condition are killed at each
 * step and at random instructions; the lock is never held by two and never by the dead, no
 * notification is spent on the dead, and the others go on within two seconds. */
#include <signal.h>
#include <sys/wait.h>

#include "harness.h"

#define WORKERS 4

static struct {
    psn_sync *lock, *semaphore, *flag, *condition;
    struct {
        uint64_t owner, rounds;    /* changed under the lock alone */
        uint64_t stop, heard;      /* for the partner */
    } *told;
} all;

static bool take_lock(uint64_t deadline) {
    bool abandoned;
    CHECK_STATUS(PSN_OK, psn_semaphore_wait(all.lock, deadline, &abandoned));
    CHECK(abandoned || all.told->owner == 0 || kill((pid_t)all.told->owner, 0) != 0);
    all.told->owner = (uint64_t)getpid();
    return abandoned;
}

static void give_lock(void) {
    CHECK_EQUAL(getpid(), all.told->owner);
    all.told->rounds++;
    all.told->owner = 0;
    CHECK_STATUS(PSN_OK, psn_semaphore_give(all.lock));
}

/* As a condition's wait: under the lock, which is given up meanwhile. */
static bool wait_condition(uint64_t nanoseconds) {
    uint32_t waiter;
    CHECK_STATUS(PSN_OK, psn_condition_enter(all.condition, &waiter));
    give_lock();
    psn_status status = psn_condition_sleep(all.condition, waiter, in_future(nanoseconds));
    CHECK(status == PSN_OK || status == PSN_TIMEOUT);
    bool notified = psn_condition_leave(all.condition, waiter);
    take_lock(in_future(20 * SECOND));
    return notified;
}

static void listen_until_told(void *context) {
    (void)context;
    take_lock(in_future(20 * SECOND));
    while (all.told->stop == 0) {
        all.told->heard += wait_condition(5 * SECOND);
    }
    give_lock();
}

static void use_all(void *context) {
    bool abandoned;
    (void)context;
    for (int round = 0; round < 12; round++) {
        take_lock(in_future(20 * SECOND));
        psn_condition_notify(all.condition, 1);
        wait_condition(100 * 1000);
        psn_condition_notify(all.condition, 1000);
        give_lock();
        if (psn_semaphore_wait(all.semaphore, in_future(MILLISECOND), &abandoned) == PSN_OK) {
            psn_semaphore_give(all.semaphore);
        }
        psn_flag_set(all.flag);
        CHECK_STATUS(PSN_OK, psn_flag_wait(all.flag, in_future(SECOND)));
        psn_flag_clear(all.flag);
    }
}

static void die_with_lock(void *context) {
    (void)context;
    take_lock(in_future(20 * SECOND));
}

/* ---- at each step ---- */

static void listens_still(pid_t partner) {
    uint64_t start = psn_now();
    take_lock(in_future(20 * SECOND));
    uint64_t heard = all.told->heard;
    give_lock();
    for (bool done = false; !done;) { /* until the partner waits, it cannot be notified */
        take_lock(in_future(20 * SECOND));
        CHECK(psn_condition_waiters(all.condition) <= 1); /* the dead do not wait */
        psn_condition_notify(all.condition, 1);
        done = all.told->heard > heard;
        give_lock();
        CHECK_EQUAL(0, waitpid(partner, NULL, WNOHANG));
        if (psn_now() - start > patience()) {
            FAIL("the survivors take too long");
        }
        usleep(200);
    }
    while (psn_semaphore_value(all.semaphore) < 2) { /* what the dead had taken */
        CHECK_STATUS(PSN_OK, psn_semaphore_give(all.semaphore));
    }
    CHECK_STATUS(PSN_FULL, psn_semaphore_give(all.semaphore));
    psn_flag_clear(all.flag);
    psn_flag_set(all.flag);
    CHECK(psn_flag_is_set(all.flag));
}

static const char *armed;
static unsigned armed_countdown;

static void be_victim(void *context) {
    CHECK(psn_kill_point_arm(armed, armed_countdown));
    use_all(context);
}

static void tell_where(void) {
    fprintf(stderr, "killed at %s, countdown %u\n", armed == NULL ? "random" : armed,
            armed_countdown);
}

static bool kill_once(const char *name, unsigned countdown, bool with_partner) {
    armed = name;
    armed_countdown = countdown;
    all.told->stop = 0;
    pid_t partner = with_partner ? child(listen_until_told, NULL) : 0;
    ends_well(child(die_with_lock, NULL));
    int status = end_of(child(be_victim, NULL), 30);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    CHECK(killed || status == 0);
    if (with_partner) {
        listens_still(partner);
        take_lock(in_future(20 * SECOND));
        all.told->stop = 1;
        psn_condition_notify(all.condition, 1000);
        give_lock();
        ends_well(partner);
    }
    CHECK_EQUAL(0, psn_condition_waiters(all.condition));
    return killed;
}

static void at_each_step(unsigned times) {
    unsigned kills = 0;
    /* only the first waiter of all passes by here */
    CHECK(kill_once("sync.waiters_grown", 1, false));
    for (size_t i = 0; psn_kill_point_name(i) != NULL; i++) {
        const char *name = psn_kill_point_name(i);
        if (strncmp(name, "sync.", 5) != 0 || strcmp(name, "sync.waiters_grown") == 0) {
            continue;
        }
        /* The partner may be the one who passes first; where it can, alone the victim does. */
        unsigned here = kill_once(name, 1, true);
        for (int again = 0; here == 0 && again < 20; again++) {
            here = kill_once(name, 1, again % 2 == 1);
        }
        if (here == 0) {
            FAIL("nobody comes by %s", name);
        }
        for (unsigned time = 0; time < times; time++) {
            here += kill_once(name, 1 + (unsigned)random() % 12, true);
        }
        kills += here;
    }
    printf("%u kills at named points\n", kills);
}

/* ---- at random ---- */

static void use_for_ever(void *context) {
    alarm(0);
    for (;;) {
        use_all(context);
    }
}

static void at_random(unsigned kills) {
    pid_t workers[WORKERS];
    armed = NULL;
    all.told->stop = 0;
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = child(use_for_ever, NULL);
    }
    for (unsigned i = 0; i < kills; i++) {
        unsigned which = (unsigned)random() % WORKERS;
        usleep((useconds_t)(random() % 4000));
        kill(workers[which], SIGKILL);
        ends_killed(workers[which]);
        workers[which] = child(use_for_ever, NULL);
    }
    uint64_t before = __atomic_load_n(&all.told->rounds, __ATOMIC_RELAXED);
    EVENTUALLY(__atomic_load_n(&all.told->rounds, __ATOMIC_RELAXED) > before + 20);
    for (int i = 0; i < WORKERS; i++) {
        kill(workers[i], SIGKILL);
        ends_killed(workers[i]);
    }
    take_lock(in_future(20 * SECOND));
    give_lock();
    CHECK_EQUAL(0, psn_condition_waiters(all.condition));
    printf("%u kills at random, %llu rounds\n", kills, (unsigned long long)all.told->rounds);
}

int main(void) {
    begin(200);
    srandom((unsigned)psn_now());
    set_failure_note(tell_where);
    all.told = shared_memory(sizeof *all.told);
    CHECK_STATUS(PSN_OK, psn_sync_create(PSN_SYNC_LOCK, 1, 1, &all.lock));
    CHECK_STATUS(PSN_OK, psn_sync_create(PSN_SYNC_SEMAPHORE, 2, 2, &all.semaphore));
    CHECK_STATUS(PSN_OK, psn_sync_create(PSN_SYNC_FLAG, 0, 1, &all.flag));
    CHECK_STATUS(PSN_OK, psn_sync_create(PSN_SYNC_CONDITION, 0, 0, &all.condition));
    at_each_step(repeat(3));
    at_random(repeat(under_sanitizer() ? 40 : 200));
    psn_sync_close(all.lock);
    psn_sync_close(all.semaphore);
    psn_sync_close(all.flag);
    psn_sync_close(all.condition);
    CHECK_EQUAL(0, count_maps());
    return 0;
}
