/* Arms and fires kill points; tests only. */
#include "kill_point.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "procession.h"

uint32_t psn_kill_armed = PSN_KILL_NOWHERE;
static unsigned remaining;

static const char *const names[] = {
    "nowhere",
#define PSN_KILL_NAME(id, name) name,
    PSN_KILL_POINTS(PSN_KILL_NAME)
#undef PSN_KILL_NAME
};

const char *psn_kill_point_name(size_t number) {
    return number + 1 < PSN_KILL_COUNT ? names[number + 1] : NULL;
}

bool psn_kill_point_arm(const char *name, unsigned countdown) {
    for (uint32_t id = 1; id < PSN_KILL_COUNT; id++) {
        if (strcmp(names[id], name) == 0 && countdown > 0) {
            remaining = countdown;
            psn_kill_armed = id;
            return true;
        }
    }
    return false;
}

void psn_kill_point_disarm(void) {
    psn_kill_armed = PSN_KILL_NOWHERE;
}

void psn_kill_point_hit(void) {
    if (--remaining == 0) {
        kill(getpid(), SIGKILL);
        for (;;) {
            pause(); /* SIGKILL ends every thread, but perhaps not this instruction */
        }
    }
}
