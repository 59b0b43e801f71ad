/* Queue.get and its kin. */
#include <stdlib.h>
#include <string.h>

#include "queue_object.h"

/* Takes 1 to max messages; -1 with queue.Empty or another exception. */
static int
take(psn_queue *queue, size_t max, const psn_wait_arguments *how, psn_inbox *inbox)
{
    for (;;) {
        psn_status status = psn_queue_take(queue, max, PSN_TRY_LOCK, how->claim, inbox);
        if (status == PSN_BUSY) {
            Py_BEGIN_ALLOW_THREADS
            status = psn_queue_take(queue, max, PSN_SHORT_LOCK, how->claim, inbox);
            Py_END_ALLOW_THREADS
        }
        if (status == PSN_OK)
            return 0;
        if (status == PSN_EMPTY && how->block) {
            Py_BEGIN_ALLOW_THREADS
            status = psn_after_look(psn_queue_wait_message(queue, psn_next_look(how->deadline)),
                                    how->deadline);
            Py_END_ALLOW_THREADS
            if (status == PSN_OK)
                continue;
        }
        if (status == PSN_BUSY) {
            if (psn_after_busy(how->block ? how->deadline : 0, PSN_EMPTY) < 0)
                return -1;
            continue;
        }
        if (status == PSN_INTERRUPTED) {
            if (psn_after_signal() < 0)
                return -1;
            continue;
        }
        psn_raise(status == PSN_TIMEOUT ? PSN_EMPTY : status, PSN_QUEUE_WHAT);
        return -1;
    }
}

/* The next message that an earlier get_many took and left; NULL without an exception: none. */
static PyObject *
decode_left(psn_queue_object *self)
{
    psn_message message;
    if (self->left_error != NULL) {
        give_back_exception(self->left_error);
        self->left_error = NULL;
        return NULL;
    }
    if (self->left == NULL)
        return NULL;
    if (psn_inbox_next(self->left, &self->left_at, &message))
        return psn_message_decode(psn_queue_segment(self->queue), &message);
    psn_inbox_clear(self->left);
    PyMem_Free(self->left);
    self->left = NULL;
    return NULL;
}

static PyObject *
get_one(psn_queue_object *self, const psn_wait_arguments *how)
{
    psn_inbox inbox;
    psn_message message;
    size_t cursor = 0;
    psn_inbox_init(&inbox);
    PyObject *obj = NULL;
    if (take(self->queue, 1, how, &inbox) == 0 && psn_inbox_next(&inbox, &cursor, &message)) {
        self->bytes_taken += psn_message_bytes(&message);
        obj = psn_message_decode(psn_queue_segment(self->queue), &message);
    }
    psn_inbox_clear(&inbox);
    return obj;
}

PyObject *
psn_queue_take_object(psn_queue_object *self, const psn_wait_arguments *how)
{
    if (psn_queue_enter(self) < 0)
        return NULL;
    PyObject *obj = decode_left(self);
    if (obj == NULL && !PyErr_Occurred())
        obj = get_one(self, how);
    psn_queue_leave(self);
    return obj;
}

PyObject *
psn_queue_py_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"block", "timeout"};
    psn_wait_arguments how = {.first = NULL, .block = true, .deadline = PSN_FOREVER, .claim = -1};
    if ((nargs != 0 || kwnames != NULL) &&
        psn_parse_wait_arguments("get", names, 2, 0, args, nargs, kwnames, &how) < 0)
        return NULL;
    return psn_queue_take_object((psn_queue_object *)op, &how);
}

PyObject *
psn_queue_py_get_nowait(PyObject *op, PyObject *ignored)
{
    psn_wait_arguments how = {.first = NULL, .block = false, .deadline = 0, .claim = -1};
    (void)ignored;
    return psn_queue_take_object((psn_queue_object *)op, &how);
}

/* Keeps the records from `cursor` on for later calls; the inbox is the object's from then on. */
static void
keep_left(psn_queue_object *self, psn_inbox *inbox, size_t cursor)
{
    psn_inbox *left = PyMem_Malloc(sizeof *left);
    char *copy = left == NULL ? NULL : malloc(inbox->used > 0 ? inbox->used : 1);
    if (copy == NULL) { /* no memory: the messages are lost, their blocks are not */
        psn_message message;
        PyMem_Free(left);
        while (psn_inbox_next(inbox, &cursor, &message))
            psn_message_discard(psn_queue_segment(self->queue), &message);
        return;
    }
    psn_inbox_init(left);
    memcpy(copy, inbox->data, inbox->used);
    left->data = copy;
    left->capacity = left->used = inbox->used;
    left->count = inbox->count;
    self->left = left;
    self->left_at = cursor;
}

/* Decodes what is in the inbox. The exception of a message that cannot be decoded waits for its
 * turn: the messages before it are returned first, those after it come after. */
static PyObject *
decode_all(psn_queue_object *self, psn_inbox *inbox)
{
    PyObject *list = PyList_New(0);
    psn_message message;
    size_t cursor = 0;
    while (list != NULL && psn_inbox_next(inbox, &cursor, &message)) {
        self->bytes_taken += psn_message_bytes(&message);
        PyObject *obj = psn_message_decode(psn_queue_segment(self->queue), &message);
        if (obj == NULL || PyList_Append(list, obj) < 0) {
            Py_XDECREF(obj);
            keep_left(self, inbox, cursor);
            if (PyList_GET_SIZE(list) > 0)
                self->left_error = take_exception();
            else
                Py_CLEAR(list);
            break;
        }
        Py_DECREF(obj);
    }
    return list;
}

static PyObject *
get_several(psn_queue_object *self, size_t max, const psn_wait_arguments *how)
{
    psn_inbox inbox;
    PyObject *list = NULL;
    psn_inbox_init(&inbox);
    if (take(self->queue, max, how, &inbox) == 0)
        list = decode_all(self, &inbox);
    psn_inbox_clear(&inbox);
    return list;
}

PyObject *
psn_queue_take_list(psn_queue_object *self, size_t max, const psn_wait_arguments *how)
{
    if (psn_queue_enter(self) < 0)
        return NULL;
    PyObject *list = NULL;
    PyObject *obj = decode_left(self);
    if (obj != NULL) {
        list = PyList_New(1);
        if (list != NULL)
            PyList_SET_ITEM(list, 0, obj);
        else
            Py_DECREF(obj);
    } else if (!PyErr_Occurred()) {
        list = get_several(self, max, how);
    }
    psn_queue_leave(self);
    return list;
}

PyObject *
psn_queue_py_get_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"max_items", "block", "timeout", "claim"};
    psn_queue_object *self = (psn_queue_object *)op;
    psn_wait_arguments how;
    if (psn_parse_wait_arguments("get_many", names, 4, 1, args, nargs, kwnames, &how) < 0)
        return NULL;
    Py_ssize_t max = PyNumber_AsSsize_t(how.first, PyExc_OverflowError);
    if (max == -1 && PyErr_Occurred())
        return NULL;
    if (max < 1) {
        PyErr_Format(PyExc_ValueError, "get_many() takes at least 1 message, not %zd", max);
        return NULL;
    }
    return psn_queue_take_list(self, (size_t)max, &how);
}

bool
psn_queue_has_left(const psn_queue_object *self)
{
    return self->left_error != NULL ||
           (self->left != NULL && self->left_at < self->left->used);
}

void
psn_queue_discard_left(psn_queue_object *self)
{
    psn_message message;
    if (self->left == NULL)
        return;
    while (psn_inbox_next(self->left, &self->left_at, &message))
        psn_message_discard(psn_queue_segment(self->queue), &message);
    psn_inbox_clear(self->left);
    PyMem_Free(self->left);
    self->left = NULL;
}
