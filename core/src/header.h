/* How shared memory of ours is recognised: what every file of it begins with, made and checked. */
#ifndef PSN_HEADER_H
#define PSN_HEADER_H

#include "layout.h"

/* Fills in what all kinds have and seals it with the checksum; the limits are set before. */
void psn_header_seal(psn_header *header, psn_segment_kind kind, uint64_t control_size);
/* Is the descriptor memory of ours with at least so many bytes? Before any look inside, since
 * beyond the end is a SIGBUS. *size = its bytes. */
psn_status psn_header_verify(int fd, uint64_t control_size, uint64_t *size);
/* Was it made by a program like this one, and is it whole? */
psn_status psn_header_check(const psn_header *header, psn_segment_kind kind, uint64_t control_size,
                            uint64_t size);

#endif
