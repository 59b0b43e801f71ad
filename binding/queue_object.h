/* What the files of the Queue type share: putting and getting have one each. */
#ifndef PROCESSION_QUEUE_OBJECT_H
#define PROCESSION_QUEUE_OBJECT_H

#include "arguments.h"
#include "users.h"

#define PSN_QUEUE_WHAT "queue"

typedef struct {
    PyObject_HEAD
    psn_queue *queue; /* NULL: not made yet, or given back */
    psn_users users;
    psn_inbox *left; /* taken by a get_many that met a message it could not decode */
    size_t left_at;  /* the next of them */
    uint64_t bytes_put, bytes_taken; /* through this object: payloads and buffers */
    PyObject *left_error; /* that message's exception, to be raised before the next of them */
} psn_queue_object;

/* Each call is enclosed by these two; -1 with ValueError for a closed queue. */
int psn_queue_enter(psn_queue_object *self);
void psn_queue_leave(psn_queue_object *self);

/* ---- queue_put.c ---- */
PyObject *psn_queue_py_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *psn_queue_py_put_nowait(PyObject *op, PyObject *obj);
PyObject *psn_queue_py_put_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *kwnames);

/* Puts how->first; -1 with queue.Full or another exception. */
int psn_queue_put_object(psn_queue_object *self, const psn_wait_arguments *how);

/* ---- queue_get.c ---- */
/* The oldest message, or a list of 1 to max; NULL with queue.Empty or another exception. */
PyObject *psn_queue_take_object(psn_queue_object *self, const psn_wait_arguments *how);
PyObject *psn_queue_take_list(psn_queue_object *self, size_t max, const psn_wait_arguments *how);
PyObject *psn_queue_py_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *psn_queue_py_get_nowait(PyObject *op, PyObject *ignored);
PyObject *psn_queue_py_get_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *kwnames);
/* Messages that an earlier get_many took, and that later calls return. */
bool psn_queue_has_left(const psn_queue_object *self);
void psn_queue_discard_left(psn_queue_object *self);

#endif
