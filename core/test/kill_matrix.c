/* The loops over points and scenarios, and what must hold of memory afterwards. */
#include "kill_matrix.h"

#include <signal.h>
#include <sys/wait.h>

#include "segment.h"

#define POINTS_MAX 128

typedef struct {
    const scenario *scenario;
    void *state;
    progress *told;
    const char *point;
    unsigned countdown;
} attempt;

static void be_victim(void *context) {
    const attempt *now = context;
    CHECK(psn_kill_point_arm(now->point, now->countdown));
    now->scenario->victim(now->state, now->told);
}

/* Was the point reached? */
static bool try_once(attempt *now) {
    memset(now->told, 0, sizeof *now->told);
    now->state = now->scenario->prepare(now->told);
    pid_t pid = child(be_victim, now);
    if (now->scenario->meanwhile != NULL) {
        now->scenario->meanwhile(now->state, now->told);
    }
    int status = end_of(pid, 30);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        FAIL("the victim of %s at %s:%u ended with status %#x", now->scenario->name, now->point,
             now->countdown, (unsigned)status);
    }
    uint64_t start = psn_now();
    now->scenario->afterwards(now->state, now->told);
    uint64_t took = psn_now() - start;
    if (took > patience()) {
        FAIL("%s at %s:%u: the survivors took %llu ms to go on", now->scenario->name, now->point,
             now->countdown, (unsigned long long)(took / MILLISECOND));
    }
    return killed;
}

static const attempt *running; /* for the message of a failed check */

static void tell_where(void) {
    if (running != NULL && running->point != NULL) {
        fprintf(stderr, "in scenario %s, killed at %s, countdown %u\n", running->scenario->name,
                running->point, running->countdown);
    }
}

static bool is_listed(const char *name, const char *const *list) {
    for (; *list != NULL; list++) {
        if (strcmp(name, *list) == 0) {
            return true;
        }
    }
    return false;
}

/* Locks and their kin have a test of their own. */
static bool is_of_messages(const char *name) {
    return strncmp(name, "sync.", 5) != 0;
}

static unsigned kill_at(attempt *now, unsigned times) {
    static const unsigned ranges[] = {60, 8, 1};
    unsigned kills = 0;
    for (unsigned time = 0; time < times; time++) {
        bool killed = false;
        for (unsigned i = 0; i < 3 && !killed; i++) {
            now->countdown = 1 + (unsigned)random() % ranges[i];
            killed = try_once(now);
        }
        if (!killed) {
            break; /* this scenario does not come by */
        }
        kills++;
    }
    return kills;
}

void kill_everywhere(const scenario *scenarios, size_t count, unsigned times,
                     const char *const *elsewhere) {
    unsigned hits[POINTS_MAX] = {0}, total = 0;
    attempt now = {.told = shared_memory(sizeof(progress))};
    srandom((unsigned)psn_now());
    running = &now;
    set_failure_note(tell_where);
    for (size_t which = 0; which < count; which++) {
        unsigned kills = 0;
        now.scenario = &scenarios[which];
        for (size_t i = 0; psn_kill_point_name(i) != NULL; i++) {
            now.point = psn_kill_point_name(i);
            unsigned here = is_of_messages(now.point) ? kill_at(&now, times) : 0;
            hits[i] += here;
            kills += here;
        }
        printf("%-40s %6u kills\n", now.scenario->name, kills);
        total += kills;
    }
    for (size_t i = 0; elsewhere != NULL && psn_kill_point_name(i) != NULL; i++) {
        if (hits[i] == 0 && is_of_messages(psn_kill_point_name(i)) &&
            !is_listed(psn_kill_point_name(i), elsewhere)) {
            FAIL("no scenario comes by the kill point %s", psn_kill_point_name(i));
        }
    }
    printf("%-40s %6u kills\n", "in all", total);
}

uint64_t chunks_in_chains(psn_segment *segment) {
    uint64_t count = 0;
    for (uint32_t number = 0; number < psn_segment_header(segment)->lane_count; number++) {
        const psn_lane *lane = psn_segment_lane(segment, number);
        uint32_t last = lane->put_at[psn_commit_slot(psn_load_acquire64(&lane->puts))].chunk;
        uint32_t index = psn_ref_index(lane->trail);
        count += lane->put_spare != 0;
        for (count++; index != last; count++) {
            index = psn_load_acquire32(&psn_segment_block(segment, index)->next_chunk);
            CHECK(index > 0 && index < PSN_BLOCKS);
        }
    }
    return count;
}
