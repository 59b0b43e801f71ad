/* A descriptor that is readable while a lane has messages, for select, poll and event loops.
 *
 * Nobody pays for it until somebody asks (psn_bell_watch). From then on a producer that finds the
 * bell silent rings it before it commits, and whoever takes the last message quiets it; both under
 * put_lock, so that at no instruction there is a message and silence. A producer killed between
 * ringing and committing leaves a bell that rings for nothing: the next take quiets it.
 */
#ifndef PSN_BELL_H
#define PSN_BELL_H

#include "lane.h"

/* ring_fd -1: this process has only the listening side of the pipe. */
typedef struct {
    int ring_fd, listen_fd;
} psn_bell;

psn_status psn_bell_watch(psn_lane_handle *handle, psn_bell bell);
/* After each take that found or left the lane empty; cheap while nobody watches. The take's lock was a
 * full fence between its commit and the look at `watched` here: see psn_bell_watch. */
void psn_bell_update(psn_lane_handle *handle, psn_bell bell);
/* The descriptor is readable, and yet there is no message: take the stale token away. */
void psn_bell_settle(psn_lane_handle *handle, psn_bell bell);

#endif
