/* What the victims and the survivors do with a queue, in tests that kill at each step. */
#ifndef PSN_TEST_QUEUE_STEPS_H
#define PSN_TEST_QUEUE_STEPS_H

#include "kill_matrix.h"

enum { BURST = 60, CLAIM = 5 };

/* Points that some scenarios do not come by, for the lists of kill_everywhere. */
#define WAITS "spin.promised", "spin.claimed", "wait.registered", "wait.woken", "wake.claimed"
#define BELLS "bell.locked", "bell.rung", "bell.cleared"
#define REPORTS "done.counted", "reclaim.locked", "reclaim.swept"

/* The queue of the scenarios: one for all kills, so that what leaks adds up. */
extern psn_queue *queue;
/* Whether its messages are waited for at its descriptor, as an event loop does. */
extern bool is_watched;

/* Makes a queue, runs the scenarios with it (see kill_everywhere), and lets go of it. */
void run_with_queue(uint64_t max_items, bool watched, const scenario *scenarios, size_t count,
                    const char *const *elsewhere);

/* ---- victims: each tells before and after what it has done ---- */
void put_single(progress *told, size_t length);
void put_with_block(progress *told, size_t length);
void put_batch(progress *told, size_t count, size_t length); /* at most BURST */
/* Takes up to max messages under CLAIM; waits, and takes none, where none is there. */
void take_some(progress *told, size_t max);

/* ---- survivors ---- */
void prepare_queue(void);
void wait_for_message(void);
void check_memory(void); /* all of it has come back */
void check_usable(void);
void check_bell(void); /* of a watched queue that is empty */

#endif
