/* Buffer: a received block of shared memory, writable, given back when its last view is gone. */
#include "binding.h"

typedef struct {
    PyObject_HEAD
    psn_hold *hold;
    Py_ssize_t length;
} psn_buffer;

PyObject *
psn_buffer_new(psn_segment *segment, psn_slice slice)
{
    psn_buffer *self = PyObject_New(psn_buffer, psn_module_state.buffer_type);
    if (self == NULL)
        return NULL;
    self->hold = NULL;
    self->length = (Py_ssize_t)(slice.length & ~PSN_SLICE_PRIVATE);
    psn_status status = psn_hold_open(segment, slice, &self->hold);
    if (status != PSN_OK) {
        Py_DECREF(self);
        return psn_raise(status, "received buffer");
    }
    return (PyObject *)self;
}

void *
psn_buffer_address(PyObject *buffer)
{
    return psn_hold_address(((psn_buffer *)buffer)->hold);
}

static void
buffer_dealloc(PyObject *self)
{
    psn_buffer *buffer = (psn_buffer *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (buffer->hold != NULL) { /* the arena's lock may be held by a process that is stopped */
        Py_BEGIN_ALLOW_THREADS
        psn_hold_release(buffer->hold);
        Py_END_ALLOW_THREADS
    }
    PyObject_Free(self);
    Py_DECREF(type);
}

static int
buffer_get(PyObject *self, Py_buffer *view, int flags)
{
    psn_buffer *buffer = (psn_buffer *)self;
    return PyBuffer_FillInfo(view, self, psn_hold_address(buffer->hold), buffer->length, 0, flags);
}

static PyObject *
buffer_nbytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSsize_t(((psn_buffer *)self)->length);
}

static Py_ssize_t
buffer_length(PyObject *self)
{
    return ((psn_buffer *)self)->length;
}

static PyObject *
buffer_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<procession._native.Buffer of %zd bytes>",
                                ((psn_buffer *)self)->length);
}

/* A Buffer that is sent on travels as bytes do, but its copy is again writable and shared. */
static PyObject *
buffer_reduce(PyObject *self, PyObject *protocol)
{
    (void)protocol;
    PyObject *bytes = PyBytes_FromStringAndSize(psn_hold_address(((psn_buffer *)self)->hold),
                                                ((psn_buffer *)self)->length);
    if (bytes == NULL)
        return NULL;
    return Py_BuildValue("O(N)", (PyObject *)&PyByteArray_Type, bytes);
}

static PyGetSetDef buffer_properties[] = {
    {"nbytes", buffer_nbytes, NULL, PyDoc_STR("Size in bytes."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef buffer_methods[] = {
    {"__reduce_ex__", buffer_reduce, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot buffer_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A block of shared memory received with a message.")},
    {Py_tp_dealloc, PSN_SLOT(buffer_dealloc)},
    {Py_tp_repr, PSN_SLOT(buffer_repr)},
    {Py_tp_getset, buffer_properties},
    {Py_tp_methods, buffer_methods},
    {Py_sq_length, PSN_SLOT(buffer_length)},
    {Py_bf_getbuffer, PSN_SLOT(buffer_get)},
    {0, NULL},
};

PyType_Spec psn_buffer_spec = {
    .name = "procession._native.Buffer",
    .basicsize = sizeof(psn_buffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = buffer_slots,
};
