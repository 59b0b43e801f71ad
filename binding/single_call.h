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
    bool is_brief; /* went the short way, see ticket_book.c: nobody but the caller waits for it */
} psn_single_call;

/* A call of this type with nothing in it, or NULL with an exception. */
psn_single_call *psn_single_call_new(PyTypeObject *type);
/* The result is there.  The collector looks at a brief call from now on only if it has to. */
void psn_single_call_finish(psn_single_call *call, PyObject *value);

#endif
