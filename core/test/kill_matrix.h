/* Runs scenarios in which a process is killed at each named point of the core. */
#ifndef PSN_TEST_KILL_MATRIX_H
#define PSN_TEST_KILL_MATRIX_H

#include "harness.h"

/* What the victim has told about itself, in memory that it shares with the survivors. */
typedef struct {
    uint64_t put_started, put_finished; /* messages: before and after the calls */
    uint64_t take_finished;
    uint64_t done_started, done_finished;
    uint64_t partner_saw; /* messages of the victim's that a surviving partner received */
} progress;

typedef struct {
    const char *name;
    /* All in the survivor; `victim` alone runs in the process that is killed. */
    void *(*prepare)(progress *told);
    void (*victim)(void *state, progress *told);
    void (*meanwhile)(void *state, progress *told); /* while the victim runs; may be NULL */
    void (*afterwards)(void *state, progress *told);
} scenario;

/* Each scenario with each kill point, `times` times at random countdowns. Fails when a point is
 * hit in no scenario and is not among `elsewhere` (ends with NULL; NULL itself: all are). */
void kill_everywhere(const scenario *scenarios, size_t count, unsigned times,
                     const char *const *elsewhere);

/* Blocks that must be in use: the chunks of every lane's chain, and spare ones. */
uint64_t chunks_in_chains(psn_segment *segment);

#endif
