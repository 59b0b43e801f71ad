/* Channel: one end of the core's channel as a Python type. */
#include "channel_object.h"

/* ---- entering and leaving ---- */

static int
refuse(const char *text)
{
    PyErr_SetString(PyExc_OSError, text);
    return -1;
}

static bool
can_send(const psn_channel_object *self)
{
    return self->channel != NULL && psn_channel_writable(self->channel);
}

static bool
can_receive(const psn_channel_object *self)
{
    return self->channel != NULL && !self->deaf && psn_channel_readable(self->channel);
}

int
psn_channel_enter(psn_channel_object *self, psn_purpose purpose)
{
    if (self->users.closed || self->channel == NULL)
        return refuse("handle is closed");
    if (purpose == PSN_TO_SEND && !can_send(self))
        return refuse("connection is read-only");
    if (purpose == PSN_TO_RECEIVE && !can_receive(self))
        return refuse("connection is write-only");
    psn_users_enter(&self->users);
    return 0;
}

static void
give_back(psn_channel_object *self)
{
    if (self->channel != NULL) {
        psn_channel_close(self->channel);
        self->channel = NULL;
    }
}

void
psn_channel_leave(psn_channel_object *self)
{
    if (psn_users_leave(&self->users))
        give_back(self);
}

/* ---- making ---- */

static PyObject *
new_object(PyTypeObject *type, psn_channel *channel)
{
    psn_channel_object *self = (psn_channel_object *)type->tp_alloc(type, 0);
    if (self == NULL)
        psn_channel_close(channel);
    else
        self->channel = channel;
    return (PyObject *)self;
}

static PyObject *
channel_pair(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"duplex", NULL};
    int duplex = 1;
    psn_channel *first, *second;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:pair", names, &duplex))
        return NULL;
    psn_status status = psn_channel_create(duplex != 0, &first, &second);
    if (status != PSN_OK)
        return psn_raise(status, "pipe");
    PyObject *one = new_object((PyTypeObject *)type, first);
    PyObject *two = new_object((PyTypeObject *)type, second);
    if (one == NULL || two == NULL) {
        Py_XDECREF(one);
        Py_XDECREF(two);
        return NULL;
    }
    return Py_BuildValue("NN", one, two);
}

static PyObject *
channel_attach(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"descriptors", "end", NULL};
    int memory, in, out;
    unsigned end;
    psn_channel *channel;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "(iii)I:attach", names, &memory, &in, &out, &end))
        return NULL;
    psn_status status = psn_channel_attach(memory, in, out, end, &channel);
    if (status != PSN_OK)
        return psn_raise(status, PSN_CHANNEL_WHAT);
    return new_object((PyTypeObject *)type, channel);
}

static void
channel_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    give_back((psn_channel_object *)op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- sending ---- */

static psn_status
wait_for_room(psn_channel *channel)
{
    psn_status status;
    Py_BEGIN_ALLOW_THREADS
    status = psn_after_look(psn_channel_wait_room(channel, psn_next_look(PSN_FOREVER)), PSN_FOREVER);
    Py_END_ALLOW_THREADS
    return status;
}

static int
send_message(psn_channel *channel, psn_outbox *outbox)
{
    for (;;) {
        psn_status status = psn_channel_send(channel, outbox->messages, PSN_TRY_LOCK);
        if (status == PSN_BUSY) {
            Py_BEGIN_ALLOW_THREADS
            status = psn_channel_send(channel, outbox->messages, PSN_SHORT_LOCK);
            Py_END_ALLOW_THREADS
        }
        if (status == PSN_OK) {
            outbox->put = 1;
            return 0;
        }
        if (status == PSN_FULL)
            status = wait_for_room(channel);
        if (status == PSN_INTERRUPTED || status == PSN_BUSY) {
            if (psn_after_signal() < 0)
                return -1;
        } else if (status != PSN_OK) {
            psn_raise(status, PSN_CHANNEL_WHAT);
            return -1;
        }
    }
}

static PyObject *
channel_send(PyObject *op, PyObject *obj)
{
    psn_channel_object *self = (psn_channel_object *)op;
    if (psn_channel_enter(self, PSN_TO_SEND) < 0)
        return NULL;
    psn_outbox outbox;
    psn_outbox_init(&outbox, psn_channel_segment(self->channel));
    int result = psn_outbox_one(&outbox, obj);
    if (result == 0)
        result = send_message(self->channel, &outbox);
    psn_outbox_clear(&outbox);
    psn_channel_leave(self);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* The part of the buffer that offset and size name, with the standard library's complaints. */
static int
narrow(const Py_buffer *view, Py_ssize_t offset, PyObject *size, Py_ssize_t *length)
{
    if (offset < 0) {
        PyErr_SetString(PyExc_ValueError, "offset is negative");
        return -1;
    }
    if (view->len < offset) {
        PyErr_SetString(PyExc_ValueError, "buffer length < offset");
        return -1;
    }
    *length = view->len - offset;
    if (size == Py_None)
        return 0;
    *length = PyNumber_AsSsize_t(size, PyExc_OverflowError);
    if (*length == -1 && PyErr_Occurred())
        return -1;
    if (*length < 0) {
        PyErr_SetString(PyExc_ValueError, "size is negative");
        return -1;
    }
    if (*length > view->len - offset) {
        PyErr_SetString(PyExc_ValueError, "buffer length < offset + size");
        return -1;
    }
    return 0;
}

static PyObject *
channel_send_bytes(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"buf", "offset", "size", NULL};
    psn_channel_object *self = (psn_channel_object *)op;
    PyObject *size = Py_None, *source;
    Py_ssize_t offset = 0, length;
    Py_buffer view;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|nO:send_bytes", names, &source, &offset, &size))
        return NULL;
    if (psn_channel_enter(self, PSN_TO_SEND) < 0)
        return NULL;
    if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0) {
        psn_channel_leave(self);
        return NULL;
    }
    psn_outbox outbox;
    psn_outbox_init(&outbox, psn_channel_segment(self->channel));
    int result = narrow(&view, offset, size, &length);
    if (result == 0)
        result = psn_outbox_bytes(&outbox, (const char *)view.buf + offset, length);
    if (result == 0)
        result = send_message(self->channel, &outbox);
    psn_outbox_clear(&outbox);
    PyBuffer_Release(&view);
    psn_channel_leave(self);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- closing, descriptors ---- */

static PyObject *
channel_close(PyObject *op, PyObject *ignored)
{
    psn_channel_object *self = (psn_channel_object *)op;
    (void)ignored;
    if (psn_users_close(&self->users))
        give_back(self);
    Py_RETURN_NONE;
}

static PyObject *
channel_descriptors(PyObject *op, PyObject *ignored)
{
    psn_channel_object *self = (psn_channel_object *)op;
    int memory, in, out;
    (void)ignored;
    if (psn_channel_enter(self, PSN_TO_ANY) < 0)
        return NULL;
    psn_status status = psn_channel_descriptors(self->channel, &memory, &in, &out);
    psn_channel_leave(self);
    return status == PSN_OK ? Py_BuildValue("iii", memory, in, out) : psn_raise(status, PSN_CHANNEL_WHAT);
}

static PyObject *
channel_fileno(PyObject *op, PyObject *ignored)
{
    psn_channel_object *self = (psn_channel_object *)op;
    int memory, in, out;
    psn_status status = PSN_OK;
    (void)ignored;
    if (psn_channel_enter(self, PSN_TO_ANY) < 0)
        return NULL;
    if (psn_channel_readable(self->channel))
        status = psn_channel_watch(self->channel);
    if (status == PSN_OK)
        status = psn_channel_descriptors(self->channel, &memory, &in, &out);
    psn_channel_leave(self);
    return status == PSN_OK ? PyLong_FromLong(in >= 0 ? in : out) : psn_raise(status, PSN_CHANNEL_WHAT);
}

static PyObject *
channel_weaken(PyObject *op, PyObject *ignored)
{
    psn_channel_object *self = (psn_channel_object *)op;
    (void)ignored;
    if (self->channel != NULL && !self->users.closed)
        psn_channel_weaken(self->channel);
    Py_RETURN_NONE;
}

static PyObject *
channel_memory(PyObject *op, PyObject *ignored)
{
    psn_channel_object *self = (psn_channel_object *)op;
    (void)ignored;
    if (psn_channel_enter(self, PSN_TO_ANY) < 0)
        return NULL;
    PyObject *result = psn_memory_dict(psn_channel_segment(self->channel));
    psn_channel_leave(self);
    return result;
}

static PyObject *
channel_closed(PyObject *op, void *closure)
{
    psn_channel_object *self = (psn_channel_object *)op;
    (void)closure;
    return PyBool_FromLong(self->users.closed || self->channel == NULL);
}

static PyObject *
channel_readable(PyObject *op, void *closure)
{
    (void)closure;
    return PyBool_FromLong(can_receive((psn_channel_object *)op));
}

static PyObject *
channel_writable(PyObject *op, void *closure)
{
    (void)closure;
    return PyBool_FromLong(can_send((psn_channel_object *)op));
}

static PyObject *
channel_end(PyObject *op, void *closure)
{
    psn_channel_object *self = (psn_channel_object *)op;
    (void)closure;
    if (self->channel == NULL) {
        refuse("handle is closed");
        return NULL;
    }
    return PyLong_FromUnsignedLong(psn_channel_end(self->channel));
}

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

static PyMethodDef channel_methods[] = {
    {"pair", (PyCFunction)(void (*)(void))channel_pair, METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR("pair(duplex=True) -> two connected ends")},
    {"attach", (PyCFunction)(void (*)(void))channel_attach,
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     PyDoc_STR("attach(descriptors, end) -> the end; takes (memory, in, out) over")},
    {"send", channel_send, METH_O, PyDoc_STR("Send a (picklable) object.")},
    {"recv", psn_channel_py_recv, METH_NOARGS,
     PyDoc_STR("Receive an object. Raises EOFError when none is left and the other end is gone.")},
    {"send_bytes", WITH_KEYWORDS(channel_send_bytes),
     PyDoc_STR("send_bytes(buf, offset=0, size=None)\n\nSend bytes as one message.")},
    {"recv_bytes", WITH_KEYWORDS(psn_channel_py_recv_bytes),
     PyDoc_STR("recv_bytes(maxlength=None)\n\nReceive a message as bytes.")},
    {"recv_bytes_into", WITH_KEYWORDS(psn_channel_py_recv_bytes_into),
     PyDoc_STR("recv_bytes_into(buf, offset=0) -> number of bytes")},
    {"poll", WITH_KEYWORDS(psn_channel_py_poll),
     PyDoc_STR("poll(timeout=0.0) -> is a message, or the end of file, there?")},
    {"close", channel_close, METH_NOARGS, PyDoc_STR("Close this end in this process.")},
    {"fileno", channel_fileno, METH_NOARGS,
     PyDoc_STR("A descriptor that is readable while a message or the end of file is there.")},
    {"descriptors", channel_descriptors, METH_NOARGS, PyDoc_STR("(memory, in, out)")},
    {"weaken", channel_weaken, METH_NOARGS,
     PyDoc_STR("Stop counting as a holder of this end until it is next used.")},
    {"memory", channel_memory, METH_NOARGS, PyDoc_STR("What its memory is used for, in bytes.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef channel_properties[] = {
    {"closed", channel_closed, NULL, PyDoc_STR("Is it closed in this process?"), NULL},
    {"readable", channel_readable, NULL, PyDoc_STR("Can it receive?"), NULL},
    {"writable", channel_writable, NULL, PyDoc_STR("Can it send?"), NULL},
    {"end", channel_end, NULL, PyDoc_STR("Which of the two ends it is, 0 or 1."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot channel_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("One end of a pipe, in anonymous shared memory.")},
    {Py_tp_dealloc, PSN_SLOT(channel_dealloc)},
    {Py_tp_methods, channel_methods},
    {Py_tp_getset, channel_properties},
    {0, NULL},
};

PyType_Spec psn_channel_spec = {
    .name = "procession._native.Channel",
    .basicsize = sizeof(psn_channel_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = channel_slots,
};
