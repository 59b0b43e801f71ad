/* A descriptor that is readable while a lane has messages, for select, poll and event loops.
 *
 * Nobody pays for it until somebody asks (psn_bell_watch); from then on whoever makes the lane
 * non-empty rings and whoever empties it quiets, after the commit and under a lock of its own, so
 * that the last to change the lane leaves the bell as the lane is. A process killed between the
 * two leaves a bell that the next put or take corrects.
 */
#ifndef PSN_BELL_H
#define PSN_BELL_H

#include "lane.h"

/* ring_fd or listen_fd may be -1: this process has only the other side of the pipe. */
typedef struct {
    int ring_fd, listen_fd;
} psn_bell;

psn_status psn_bell_watch(psn_lane *lane, psn_bell bell);
/* After each put and take; cheap while nobody watches or nothing has to change. */
void psn_bell_update(psn_lane *lane, psn_bell bell);
/* The descriptor is readable, and yet there is no message: take the stale token away. */
void psn_bell_settle(psn_lane *lane, psn_bell bell);

#endif
