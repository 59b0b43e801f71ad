/* The parent's note of a call of one task; see single_call.c. */
#ifndef PROCESSION_SINGLE_CALL_H
#define PROCESSION_SINGLE_CALL_H

#include "binding.h"

typedef struct {
    PyObject_HEAD
    PyObject *number, *function, *pace, *retries, *recipe;
    PyObject *open;     /* set of tickets; NULL: that of `ticket`, or none */
    long long ticket;   /* -1 for none, or for those in the set */
    PyObject *item;     /* the arguments, until they are on their way */
    PyObject *returned; /* chunks that came back, a sequence */
    PyObject *value, *error, *failed;
    PyObject *callback, *error_callback, *timeout, *target, *kind, *changed;
    Py_ssize_t tasks_open, interrupts;
    bool waiting, exhausted, abandoned, ended, finished, begun, has_callback, has_keywords;
} psn_single_call;

/* A call of this type with nothing in it, or NULL with an exception. */
psn_single_call *psn_single_call_new(PyTypeObject *type);
/* A call of the same function, in the same manner, whose task has been taken; NULL with an exception. */
psn_single_call *psn_single_call_like(const psn_single_call *model);
/* The result is there. */
void psn_single_call_finish(psn_single_call *call, PyObject *value);

#endif
