/* The parent's note of a message to the workers; see chunk_object.c. */
#ifndef PROCESSION_CHUNK_OBJECT_H
#define PROCESSION_CHUNK_OBJECT_H

#include "binding.h"

typedef struct {
    PyObject_HEAD
    PyObject *call;
    PyObject *items; /* a sequence; of a brief chunk the one item */
    PyObject *attempts;
    PyObject *kept;  /* or NULL: what must live until the tasks have ended */
    PyObject *sink;  /* a list, a ResultLine, or None: then the result is kept in value */
    PyObject *value;
    Py_ssize_t first, size;
    long long ticket; /* the message's number in the task queue; -1 while it is in none */
    Py_ssize_t delivered;
    Py_ssize_t ran; /* results whose time the call's pace has not learned yet, and that time */
    double seconds;
} psn_chunk;

bool psn_is_chunk(PyObject *obj);
/* The one task of a call that keeps its result itself; NULL with an exception. */
psn_chunk *psn_chunk_of_one(PyObject *call, PyObject *item);
/* As above.  The garbage collector does not know of it: nothing in `item` may lead back to it. */
psn_chunk *psn_brief_chunk_new(PyObject *call, PyObject *item);
/* Takes in the results of the tasks from `offset` on: all of a sequence, or the one value.
 * -1 with an exception. */
int psn_chunk_deliver(psn_chunk *chunk, Py_ssize_t offset, PyObject *const *values,
                      Py_ssize_t count, double seconds);
/* The same with a list of which nobody else knows; something else is in it afterwards. */
int psn_chunk_deliver_list(psn_chunk *chunk, Py_ssize_t offset, PyObject *values, double seconds);

#endif
