/* The sink: file, buffer callback and table of reducers in one object.
 *
 * A pickler calls three things: write(chunk) of its file, its buffer_callback with each
 * PickleBuffer, and its dispatch_table[type] for each object that is not of a built-in type.  Ours
 * are one object, so that it costs one allocation and knows where everything went.
 *
 * write: most messages come in one chunk, a bytes object that we keep instead of copying it.  A
 * large str or bytes inside of a message comes as a chunk of its own, before it is copied anywhere.
 * buffer_callback: false means out of band.  The Py_buffer that we hold keeps the memory alive and
 * in its place until the message is in shared memory.
 * dispatch_table: what ForkingPickler would have put together when it was made: the reducers that
 * were registered with it win over those of copyreg.  We look into both tables when asked, so
 * that nothing is copied for each message and what is registered later counts at once.
 */
#include "codec_internal.h"

static int
require_open(psn_sink *self)
{
    if (self->codec != NULL)
        return 0;
    PyErr_SetString(PyExc_ValueError,
                    "the buffer callback of a message was called after the message was encoded; "
                    "call it only while pickling");
    return -1;
}

static int
append(psn_sink *self, const char *data, Py_ssize_t size)
{
    if (size > PY_SSIZE_T_MAX / 2 - self->heap_size) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t needed = self->heap_size + size;
    if (needed > self->heap_capacity) {
        Py_ssize_t capacity = needed + needed / 2;
        char *heap = PyMem_Realloc(self->heap, (size_t)capacity);
        if (heap == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->heap = heap;
        self->heap_capacity = capacity;
    }
    if (size > 0)
        memcpy(self->heap + self->heap_size, data, (size_t)size);
    self->heap_size = needed;
    return 0;
}

/* Moves the first chunk to the heap, because another one follows. */
static int
spill_first(psn_sink *self)
{
    if (self->first == NULL)
        return 0;
    if (append(self, PyBytes_AS_STRING(self->first), PyBytes_GET_SIZE(self->first)) < 0)
        return -1;
    Py_CLEAR(self->first);
    return 0;
}

static PyObject *
sink_write(PyObject *op, PyObject *chunk)
{
    psn_sink *self = (psn_sink *)op;
    Py_buffer view;

    if (require_open(self) < 0)
        return NULL;
    if (self->first == NULL && self->heap == NULL && PyBytes_CheckExact(chunk)) {
        self->first = Py_NewRef(chunk);
        Py_RETURN_NONE;
    }
    if (spill_first(self) < 0)
        return NULL;
    /* Not PyBUF_SIMPLE: a PickleBuffer over an array in Fortran order is refused then. */
    if (PyObject_GetBuffer(chunk, &view, PyBUF_FULL_RO) < 0)
        return NULL;
    int result = -1;
    if (PyBuffer_IsContiguous(&view, 'A'))
        result = append(self, view.buf, view.len);
    else
        PyErr_SetString(PyExc_BufferError, "a pickler wrote a buffer that is not contiguous");
    PyBuffer_Release(&view);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* The buffer callback: False takes the buffer out of band, True leaves it in the pickle. */
static PyObject *
sink_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    psn_sink *self = (psn_sink *)op;

    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "a buffer callback takes no keyword arguments");
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) != 1) {
        PyErr_Format(PyExc_TypeError, "a buffer callback takes one buffer, not %zd arguments",
                     PyTuple_GET_SIZE(args));
        return NULL;
    }
    if (require_open(self) < 0)
        return NULL;
    if (self->buffer_count == PSN_OUT_OF_BAND_MAX_COUNT)
        Py_RETURN_TRUE;
    if (self->buffers == NULL) {
        /* All places at once: a Py_buffer may point into itself and must not move. */
        self->buffers = PyMem_Malloc(PSN_OUT_OF_BAND_MAX_COUNT * sizeof *self->buffers);
        if (self->buffers == NULL)
            return PyErr_NoMemory();
    }
    Py_buffer *view = &self->buffers[self->buffer_count];
    if (PyObject_GetBuffer(PyTuple_GET_ITEM(args, 0), view, PyBUF_FULL_RO) < 0)
        return NULL;
    if (view->len < PSN_OUT_OF_BAND_MIN || !PyBuffer_IsContiguous(view, 'A')) {
        PyBuffer_Release(view);
        Py_RETURN_TRUE;
    }
    self->buffer_count++;
    Py_RETURN_FALSE;
}

/* table[key]: a new reference in *found, or NULL when it is not there.  -1 with an exception. */
static int
find(PyObject *table, PyObject *key, PyObject **found)
{
    *found = PyDict_CheckExact(table) ? Py_XNewRef(PyDict_GetItemWithError(table, key))
                                      : PyObject_GetItem(table, key);
    if (*found != NULL || !PyErr_Occurred())
        return 0;
    if (!PyErr_ExceptionMatches(PyExc_KeyError))
        return -1;
    PyErr_Clear();
    return 0;
}

/* The dispatch table: the reducer for a type, or KeyError. */
static PyObject *
sink_subscript(PyObject *op, PyObject *key)
{
    psn_sink *self = (psn_sink *)op;
    PyObject *found = NULL;

    if (require_open(self) < 0)
        return NULL;
    PyObject *names[] = {self->codec->name_extra_reducers, self->codec->name_copyreg_table};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(names) && found == NULL; i++) {
        PyObject *table = PyObject_GetAttr(self->codec->forking_pickler, names[i]);
        if (table == NULL)
            return NULL;
        int status = find(table, key, &found);
        Py_DECREF(table);
        if (status < 0)
            return NULL;
    }
    if (found == NULL)
        PyErr_SetObject(PyExc_KeyError, key);
    return found;
}

void
psn_sink_reset(psn_sink *self)
{
    psn_encoded dropped;

    psn_sink_deliver(self, &dropped);
    psn_encoded_clear(&dropped);
}

void
psn_sink_deliver(psn_sink *self, psn_encoded *out)
{
    out->kind = PSN_KIND_PICKLE;
    out->owner = self->first;
    out->heap = self->heap;
    out->data = self->first != NULL ? PyBytes_AS_STRING(self->first) : self->heap;
    out->size = self->first != NULL ? PyBytes_GET_SIZE(self->first) : self->heap_size;
    out->buffers = self->buffers;
    out->buffer_count = self->buffer_count;
    self->codec = NULL;
    self->first = NULL;
    self->heap = NULL;
    self->heap_size = self->heap_capacity = 0;
    self->buffers = NULL;
    self->buffer_count = 0;
}

psn_sink *
psn_sink_new(psn_codec *codec)
{
    psn_sink *self = PyObject_New(psn_sink, (PyTypeObject *)codec->sink_type);
    if (self == NULL)
        return NULL;
    self->codec = codec;
    self->first = NULL;
    self->heap = NULL;
    self->heap_size = self->heap_capacity = 0;
    self->buffers = NULL;
    self->buffer_count = 0;
    return self;
}

static void
sink_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    psn_sink_reset((psn_sink *)op);
    PyObject_Free(op);
    Py_DECREF(type);
}

static PyMethodDef sink_methods[] = {
    {"write", sink_write, METH_O, PyDoc_STR("Takes a piece of a pickle.")},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(sink_doc, "Where a pickler of procession writes to. Of use only while pickling.");

PyObject *
psn_sink_make_type(void)
{
    /* __extension__: the interface wants functions as void pointers, which ISO C does not know. */
    PyType_Slot slots[] = {
        {Py_tp_dealloc, __extension__(void *) sink_dealloc},
        {Py_tp_call, __extension__(void *) sink_call},
        {Py_mp_subscript, __extension__(void *) sink_subscript},
        {Py_tp_methods, sink_methods},
        {Py_tp_doc, (void *)(uintptr_t)sink_doc},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = "procession._native._Sink",
        .basicsize = sizeof(psn_sink),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };
    return PyType_FromSpec(&spec);
}
