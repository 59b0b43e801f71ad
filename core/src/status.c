/* Status codes in words. The detail of the last failed check is kept per thread. */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char detail[256];

const char *psn_status_text(psn_status status) {
    switch (status) {
    case PSN_OK: return "done";
    case PSN_EMPTY: return "there is no message";
    case PSN_FULL: return "there is no room";
    case PSN_BUSY: return "the lock is held by another";
    case PSN_TIMEOUT: return "the time is over";
    case PSN_INTERRUPTED: return "interrupted by a signal";
    case PSN_EOF: return "the other end is closed";
    case PSN_BROKEN: return "nobody is left to receive";
    case PSN_NO_MEMORY: return "the system has no memory for it";
    case PSN_SYSTEM: return "a system call failed";
    case PSN_FOREIGN: return "not a segment of this version of procession";
    case PSN_CORRUPT: return "the shared memory is damaged";
    case PSN_TOO_MANY_DONE: return "more messages were reported done than were put";
    }
    return "unknown status";
}

const char *psn_last_detail(void) {
    return detail;
}

psn_status psn_fail(psn_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    return status;
}
