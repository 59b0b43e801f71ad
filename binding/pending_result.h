/* The fields of a result object; see pending_result.c. */
#ifndef PROCESSION_PENDING_RESULT_H
#define PROCESSION_PENDING_RESULT_H

#include "binding.h"

typedef struct {
    PyObject_HEAD
    PyObject *pool, *engine;
    PyObject *call; /* or the chunk of one that nobody has looked at */
} psn_pending_result;

/* A result of a type that has these fields, without its __init__, of the chunk's call; NULL with an
 * exception. */
PyObject *psn_pending_result_new(PyTypeObject *type, PyObject *pool, PyObject *engine,
                                 PyObject *chunk);

#endif
