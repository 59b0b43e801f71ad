/* Room for records that are taken. */
#ifndef PSN_INBOX_H
#define PSN_INBOX_H

#include "layout.h"

/* Where the next `length` bytes go; NULL without memory. The caller adds to used and count. */
char *psn_inbox_room(psn_inbox *inbox, size_t length);

#endif
