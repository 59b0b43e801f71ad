/* Channel.recv and its kin. */
#include <string.h>

#include "channel_object.h"

static psn_status
wait_for_message(psn_channel *channel, uint64_t deadline)
{
    psn_status status;
    Py_BEGIN_ALLOW_THREADS
    status = psn_after_look(psn_channel_wait_message(channel, psn_next_look(deadline)), deadline);
    Py_END_ALLOW_THREADS
    return status;
}

/* One message into the inbox, waiting for it; -1 with EOFError or another exception. */
static int
take(psn_channel *channel, psn_inbox *inbox)
{
    for (;;) {
        psn_status status = psn_channel_take(channel, PSN_TRY_LOCK, inbox);
        if (status == PSN_BUSY) {
            Py_BEGIN_ALLOW_THREADS
            status = psn_channel_take(channel, PSN_SHORT_LOCK, inbox);
            Py_END_ALLOW_THREADS
        }
        if (status == PSN_OK)
            return 0;
        if (status == PSN_EMPTY)
            status = wait_for_message(channel, PSN_FOREVER);
        if (status == PSN_INTERRUPTED || status == PSN_BUSY) {
            if (psn_after_signal() < 0)
                return -1;
        } else if (status != PSN_OK) {
            psn_raise(status, PSN_CHANNEL_WHAT);
            return -1;
        }
    }
}

/* What was sent as bytes is a pickle when it is received as an object, as in the standard library. */
static PyObject *
load_bytes(psn_segment *segment, const psn_message *message)
{
    psn_view view;
    if (psn_message_view(segment, message, &view) < 0)
        return NULL;
    PyObject *obj = NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(view.data, view.size);
    psn_view_release(&view);
    if (bytes != NULL)
        obj = PyObject_CallMethod(psn_module_state.codec.forking_pickler, "loads", "O", bytes);
    Py_XDECREF(bytes);
    return obj;
}

PyObject *
psn_channel_py_recv(PyObject *op, PyObject *ignored)
{
    psn_channel_object *self = (psn_channel_object *)op;
    psn_inbox inbox;
    psn_message message;
    size_t cursor = 0;
    (void)ignored;
    if (psn_channel_enter(self, PSN_TO_RECEIVE) < 0)
        return NULL;
    PyObject *obj = NULL;
    psn_inbox_init(&inbox);
    psn_segment *segment = psn_channel_segment(self->channel);
    if (take(self->channel, &inbox) == 0 && psn_inbox_next(&inbox, &cursor, &message))
        obj = psn_message_is_bytes(&message) ? load_bytes(segment, &message)
                                             : psn_message_decode(segment, &message);
    psn_inbox_clear(&inbox);
    psn_channel_leave(self);
    return obj;
}

/* A message as bytes, for `use` to make the result of. */
static PyObject *
receive_view(psn_channel_object *self, PyObject *(*use)(const psn_view *, void *), void *context)
{
    psn_inbox inbox;
    psn_message message;
    psn_view view;
    size_t cursor = 0;
    PyObject *result = NULL;
    psn_inbox_init(&inbox);
    if (take(self->channel, &inbox) == 0 && psn_inbox_next(&inbox, &cursor, &message) &&
        psn_message_view(psn_channel_segment(self->channel), &message, &view) == 0) {
        result = use(&view, context);
        psn_view_release(&view);
    }
    psn_inbox_clear(&inbox);
    return result;
}

/* As in the standard library a message that is too long ends the connection for receiving. */
static void
end_reading(psn_channel_object *self)
{
    self->deaf = true;
    if (!psn_channel_writable(self->channel))
        self->users.closed = true;
}

static PyObject *
make_bytes(const psn_view *view, void *context)
{
    const Py_ssize_t *most = context;
    if (*most >= 0 && view->size > *most) {
        PyErr_SetString(PyExc_OSError, "bad message length");
        return NULL;
    }
    if (view->owner != NULL && PyBytes_CheckExact(view->owner)) {
        Py_INCREF(view->owner);
        return view->owner;
    }
    return PyBytes_FromStringAndSize(view->data, view->size);
}

PyObject *
psn_channel_py_recv_bytes(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"maxlength", NULL};
    psn_channel_object *self = (psn_channel_object *)op;
    PyObject *maxlength = Py_None;
    Py_ssize_t most = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:recv_bytes", names, &maxlength))
        return NULL;
    if (psn_channel_enter(self, PSN_TO_RECEIVE) < 0)
        return NULL;
    PyObject *result = NULL;
    if (maxlength != Py_None)
        most = PyNumber_AsSsize_t(maxlength, PyExc_OverflowError);
    if (maxlength != Py_None && most < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "negative maxlength");
    } else {
        result = receive_view(self, make_bytes, &most);
        if (result == NULL && most >= 0 && PyErr_ExceptionMatches(PyExc_OSError))
            end_reading(self);
    }
    psn_channel_leave(self);
    return result;
}

typedef struct {
    char *to;
    Py_ssize_t room;
} psn_target;

static PyObject *
copy_into(const psn_view *view, void *context)
{
    const psn_target *target = context;
    if (view->size > target->room) {
        PyObject *bytes = PyBytes_FromStringAndSize(view->data, view->size);
        if (bytes != NULL) {
            PyErr_SetObject(psn_module_state.buffer_too_short, bytes);
            Py_DECREF(bytes);
        }
        return NULL;
    }
    if (view->size > 0)
        memcpy(target->to, view->data, (size_t)view->size);
    return PyLong_FromSsize_t(view->size);
}

PyObject *
psn_channel_py_recv_bytes_into(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"buf", "offset", NULL};
    psn_channel_object *self = (psn_channel_object *)op;
    PyObject *destination, *result = NULL;
    Py_ssize_t offset = 0;
    Py_buffer view;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|n:recv_bytes_into", names, &destination,
                                     &offset))
        return NULL;
    if (psn_channel_enter(self, PSN_TO_RECEIVE) < 0)
        return NULL;
    if (PyObject_GetBuffer(destination, &view, PyBUF_WRITABLE) == 0) {
        psn_target target = {(char *)view.buf + offset, view.len - offset};
        if (offset < 0)
            PyErr_SetString(PyExc_ValueError, "negative offset");
        else if (offset > view.len)
            PyErr_SetString(PyExc_ValueError, "offset too large");
        else
            result = receive_view(self, copy_into, &target);
        PyBuffer_Release(&view);
    } else if (PyErr_ExceptionMatches(PyExc_BufferError)) {
        PyErr_Format(PyExc_TypeError,
                     "recv_bytes_into() needs a read-write bytes-like object, not %.100s",
                     Py_TYPE(destination)->tp_name);
    }
    psn_channel_leave(self);
    return result;
}

PyObject *
psn_channel_py_poll(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"timeout", NULL};
    psn_channel_object *self = (psn_channel_object *)op;
    PyObject *timeout = NULL;
    uint64_t deadline = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:poll", names, &timeout))
        return NULL;
    if (psn_channel_enter(self, PSN_TO_RECEIVE) < 0)
        return NULL;
    if (timeout != NULL && psn_deadline(timeout, &deadline) < 0) {
        psn_channel_leave(self);
        return NULL;
    }
    psn_status status;
    do {
        status = wait_for_message(self->channel, deadline);
    } while (status == PSN_INTERRUPTED && psn_after_signal() == 0);
    psn_channel_leave(self);
    switch (status) {
    case PSN_INTERRUPTED: return NULL;
    case PSN_OK:
    case PSN_EOF: Py_RETURN_TRUE;
    case PSN_TIMEOUT: Py_RETURN_FALSE;
    default: return psn_raise(status, PSN_CHANNEL_WHAT);
    }
}
