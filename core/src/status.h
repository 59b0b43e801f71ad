/* How a failed check leaves its reason for the caller to show. */
#ifndef PSN_STATUS_H
#define PSN_STATUS_H

#include "procession.h"

/* Remembers the formatted detail for this thread and returns `status`. */
psn_status psn_fail(psn_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
