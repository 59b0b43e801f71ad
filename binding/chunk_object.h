/* The parent's note of a message to the workers; see chunk_object.c. */
#ifndef PROCESSION_CHUNK_OBJECT_H
#define PROCESSION_CHUNK_OBJECT_H

#include "brief_calls.h"

typedef struct {
    PyObject_HEAD
    PyObject *call;  /* NULL: nobody has asked for it yet, and `kind` says what it will be */
    PyObject *items; /* a sequence; NULL in a brief chunk, which has `arguments` */
    PyObject *attempts;
    PyObject *kept;  /* or NULL: what must live until the tasks have ended */
    PyObject *sink;  /* a list, a ResultLine, or None: then the result is kept in value */
    PyObject *value;
    Py_ssize_t first, size;
    long long ticket; /* the message's number in the task queue; -1 while it is in none */
    Py_ssize_t delivered;
    Py_ssize_t ran; /* results whose time the call's pace has not learned yet, and that time */
    double seconds;
    /* For a call of the short way, else NULL and false. */
    psn_brief_calls *home;
    psn_single_call *kind;
    bool ended; /* the outcome is `value`, and may be seen */
    Py_ssize_t count;
    PyObject *arguments[]; /* of a brief chunk: `count` of them */
} psn_chunk;

bool psn_is_chunk(PyObject *obj);
/* The one task of a call like `kind` that is made when it is asked for; NULL with an exception.
 * What may lead back to it makes it a Chunk, arguments that cannot change a BriefChunk. */
psn_chunk *psn_chunk_of_brief(psn_brief_calls *home, psn_single_call *kind, PyObject *arguments);
/* The call, a new reference; NULL with an exception. */
PyObject *psn_chunk_call(psn_chunk *chunk);
/* What the collector is to know of who has this chunk: of a brief one that nobody else has, the
 * references in it as well. */
int psn_chunk_visit(PyObject *chunk, visitproc visit, void *arg);
/* Takes in the results of the tasks from `offset` on: all of a sequence, or the one value.
 * -1 with an exception. */
int psn_chunk_deliver(psn_chunk *chunk, Py_ssize_t offset, PyObject *const *values,
                      Py_ssize_t count, double seconds);
/* The same with a list of which nobody else knows; something else is in it afterwards. */
int psn_chunk_deliver_list(psn_chunk *chunk, Py_ssize_t offset, PyObject *values, double seconds);

#endif
