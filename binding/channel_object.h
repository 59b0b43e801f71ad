/* What the files of the Channel type share: receiving has one of its own. */
#ifndef PROCESSION_CHANNEL_OBJECT_H
#define PROCESSION_CHANNEL_OBJECT_H

#include "users.h"

#define PSN_CHANNEL_WHAT "connection"

typedef struct {
    PyObject_HEAD
    psn_channel *channel; /* NULL: closed */
    psn_users users;
    bool deaf; /* a message was longer than its receiver allowed: no more receiving */
} psn_channel_object;

typedef enum { PSN_TO_ANY, PSN_TO_SEND, PSN_TO_RECEIVE } psn_purpose;

/* Each call is enclosed by these two; -1 with OSError for a closed end or a wrong direction. */
int psn_channel_enter(psn_channel_object *self, psn_purpose purpose);
void psn_channel_leave(psn_channel_object *self);

/* ---- channel_receive.c ---- */
PyObject *psn_channel_py_recv(PyObject *op, PyObject *ignored);
PyObject *psn_channel_py_recv_bytes(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *psn_channel_py_recv_bytes_into(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *psn_channel_py_poll(PyObject *op, PyObject *args, PyObject *kwargs);

#endif
