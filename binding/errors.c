/* Statuses of the core as Python exceptions, of the types that the standard library raises. */
#include <errno.h>
#include <sys/resource.h>

#include "binding.h"

/* The system's error, and for the one that programs with hundreds of pipes meet, what to do. */
static PyObject *
raise_errno(void)
{
    struct rlimit limit;
    if (errno != EMFILE || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    PyObject *text = PyUnicode_FromFormat(
        "Too many open files: this process may have %llu descriptors at once, and its limit may be "
        "raised to %llu. A queue has 2, a pipe 5. Close what is not needed any more, or raise the limit: "
        "ulimit -n, or resource.setrlimit(resource.RLIMIT_NOFILE, ...)",
        (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
    PyObject *error =
        text == NULL ? NULL : PyObject_CallFunction(PyExc_OSError, "iO", EMFILE, text);
    Py_XDECREF(text);
    if (error != NULL)
        PyErr_SetObject(PyExc_OSError, error);
    Py_XDECREF(error);
    return NULL;
}

PyObject *
psn_raise(psn_status status, const char *what)
{
    switch (status) {
    case PSN_NO_MEMORY:
        PyErr_Format(PyExc_MemoryError,
                     "%s: the system has no shared memory left for this message; nothing was sent. "
                     "Send smaller pieces, or let the receiver catch up first",
                     what);
        return NULL;
    case PSN_SYSTEM:
        return raise_errno();
    case PSN_EMPTY:
        PyErr_SetNone(psn_module_state.empty);
        return NULL;
    case PSN_FULL:
    case PSN_TIMEOUT:
        PyErr_SetNone(psn_module_state.full);
        return NULL;
    case PSN_EOF:
        PyErr_SetNone(PyExc_EOFError);
        return NULL;
    case PSN_BROKEN:
        errno = EPIPE;
        return PyErr_SetFromErrno(PyExc_OSError);
    case PSN_TOO_MANY_DONE:
        PyErr_SetString(PyExc_ValueError, "task_done() called too many times");
        return NULL;
    case PSN_FOREIGN:
    case PSN_CORRUPT:
        PyErr_Format(PyExc_OSError, "%s: %s: %s", what, psn_status_text(status), psn_last_detail());
        return NULL;
    default:
        PyErr_Format(PyExc_SystemError, "%s: %s", what, psn_status_text(status));
        return NULL;
    }
}

int
psn_raise_closed_queue(PyObject *self)
{
    PyErr_Format(PyExc_ValueError, "Queue %R is closed", self);
    return -1;
}

PyObject *
psn_memory_dict(psn_segment *segment)
{
    psn_memory memory;
    Py_BEGIN_ALLOW_THREADS
    psn_segment_memory(segment, &memory);
    Py_END_ALLOW_THREADS
    return Py_BuildValue("{sKsKsKsKsKsKsK}", "committed", (unsigned long long)memory.committed_bytes,
                         "used", (unsigned long long)memory.used_bytes, "warm",
                         (unsigned long long)memory.warm_bytes, "blocks",
                         (unsigned long long)memory.used_blocks, "entries",
                         (unsigned long long)memory.block_entries, "peers",
                         (unsigned long long)memory.peers, "recoveries",
                         (unsigned long long)memory.recoveries);
}
