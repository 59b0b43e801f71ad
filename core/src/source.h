/* A lane that is waited for together with others: how waitset.c sees a queue or a channel. */
#ifndef PSN_SOURCE_H
#define PSN_SOURCE_H

#include "bell.h"

typedef struct {
    psn_lane_handle *lane;
    psn_bell bell; /* listen_fd: readable while there are messages, once the bell is watched */
} psn_source;

void psn_queue_source(psn_queue *queue, psn_source *source);
/* Until psn_channel_end_source the end stays as strong as it is now. */
psn_status psn_channel_begin_source(psn_channel *channel, psn_source *source);
void psn_channel_end_source(psn_channel *channel);

#endif
