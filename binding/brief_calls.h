/* Where the calls of a pool's short way become known to its engine; see brief_calls.c. */
#ifndef PROCESSION_BRIEF_CALLS_H
#define PROCESSION_BRIEF_CALLS_H

#include "single_call.h"

typedef struct {
    PyObject_HEAD
    PyObject *calls;   /* the engine's dict: number -> call */
    PyObject *numbers; /* of calls, an iterator */
    Py_ssize_t unseen; /* calls that are under way and not in `calls` */
} psn_brief_calls;

/* NULL with an exception. */
psn_brief_calls *psn_brief_calls_new(PyObject *calls, PyObject *numbers);
#endif
