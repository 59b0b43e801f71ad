/* Chunk: consecutive tasks of a call that travel as one message, and how far they have come.
 *
 * Delivering results is one step under the GIL: they are where they belong and are counted as
 * delivered, or neither.  What was delivered before is left alone, so delivering a message again
 * after an interruption changes nothing.
 *
 * The short way of single calls (ticket_book.c) has thousands of chunks under way.  So the call
 * of such a chunk is made only when somebody asks for it (brief_calls.c), and it is a BriefChunk if
 * its arguments cannot change: without what the garbage collector needs to walk over it, and with the
 * arguments in it in place of the caller's tuple, which the collector would count as long.
 */
#include "chunk_object.h"
#include "result_line.h"

#include <string.h>
#include <structmember.h> /* wants Python.h before it */

bool
psn_is_chunk(PyObject *obj)
{
    return Py_IS_TYPE(obj, psn_module_state.brief_chunk_type) ||
           PyObject_TypeCheck(obj, psn_module_state.chunk_type);
}

static int
put_into(psn_chunk *chunk, Py_ssize_t offset, PyObject *value)
{
    PyObject *sink = chunk->sink;
    if (PyList_CheckExact(sink)) {
        Py_ssize_t index = chunk->first + offset;
        if (index < PyList_GET_SIZE(sink)) /* else the call has ended, and its list was emptied */
            return PyList_SetItem(sink, index, Py_NewRef(value));
        return 0;
    }
    if (psn_is_result_line(sink))
        return psn_result_line_put(sink, chunk->first + offset, value);
    Py_XSETREF(chunk->value, Py_NewRef(value));
    return 0;
}

int
psn_chunk_deliver(psn_chunk *chunk, Py_ssize_t offset, PyObject *const *values, Py_ssize_t count,
                  double seconds)
{
    Py_ssize_t known = chunk->delivered > offset ? chunk->delivered - offset : 0;
    for (Py_ssize_t i = known; i < count; i++) {
        if (put_into(chunk, offset + i, values[i]) < 0)
            return -1;
        chunk->delivered = offset + i + 1;
    }
    if (known < count) {
        chunk->ran += count - known;
        chunk->seconds += seconds;
    }
    return 0;
}

int
psn_chunk_deliver_list(psn_chunk *chunk, Py_ssize_t offset, PyObject *values, double seconds)
{
    PyObject *sink = chunk->sink;
    Py_ssize_t count = PyList_GET_SIZE(values);
    Py_ssize_t index = chunk->first + offset;
    /* As a rule all are new and have places: they change places with what was there, and no object is
     * touched. */
    if (chunk->delivered != offset || !PyList_CheckExact(sink) || PyList_GET_SIZE(sink) < index + count)
        return psn_chunk_deliver(chunk, offset, PySequence_Fast_ITEMS(values), count, seconds);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = PyList_GET_ITEM(values, i);
        PyList_SET_ITEM(values, i, PyList_GET_ITEM(sink, index + i));
        PyList_SET_ITEM(sink, index + i, value);
    }
    chunk->delivered += count;
    chunk->ran += count;
    chunk->seconds += seconds;
    return 0;
}

static PyObject *
chunk_deliver(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 3) {
        PyErr_Format(PyExc_TypeError, "deliver() takes offset, values and seconds, not %zd arguments",
                     nargs);
        return NULL;
    }
    Py_ssize_t offset = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    double seconds = PyFloat_AsDouble(args[2]);
    if (PyErr_Occurred())
        return NULL;
    PyObject *values = PySequence_Fast(args[1], "deliver() takes a sequence of values");
    if (values == NULL)
        return NULL;
    int status = psn_chunk_deliver((psn_chunk *)op, offset, PySequence_Fast_ITEMS(values),
                                   PySequence_Fast_GET_SIZE(values), seconds);
    Py_DECREF(values);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

static void
set_up(psn_chunk *self)
{
    self->sink = Py_NewRef(Py_None);
    self->attempts = PyTuple_New(0);
    self->value = Py_NewRef(Py_None);
    self->size = 1;
    self->ticket = -1;
}

static psn_chunk *
new_chunk(PyTypeObject *type, PyObject *items)
{
    psn_chunk *self = (psn_chunk *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    set_up(self);
    self->items = Py_NewRef(items);
    return self;
}

static PyObject *
chunk_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"call", "first", "items", "sink", "attempts", NULL};
    PyObject *call, *items, *sink, *attempts = NULL;
    Py_ssize_t first;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OnOO|O!:Chunk", names, &call, &first, &items,
                                     &sink, &PyTuple_Type, &attempts))
        return NULL;
    Py_ssize_t size = PyObject_Size(items);
    if (size < 0)
        return NULL;
    psn_chunk *self = new_chunk(type, items);
    if (self == NULL)
        return NULL;
    self->call = Py_NewRef(call);
    Py_SETREF(self->sink, Py_NewRef(sink));
    if (attempts != NULL)
        Py_SETREF(self->attempts, Py_NewRef(attempts));
    self->first = first;
    self->size = size;
    return (PyObject *)self;
}

/* ---- chunks of the short way ---- */

/* Whether nothing can be put into these arguments any more. */
static bool
are_fixed(PyObject *arguments)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments); i++) {
        if (PyObject_IS_GC(PyTuple_GET_ITEM(arguments, i)))
            return false;
    }
    return true;
}

static psn_chunk *
new_brief(PyObject *arguments)
{
    PyTypeObject *type = psn_module_state.brief_chunk_type;
    Py_ssize_t count = PyTuple_GET_SIZE(arguments);
    size_t size = sizeof(psn_chunk) + (size_t)count * sizeof(PyObject *);
    psn_chunk *self = PyObject_Malloc(size);
    if (self == NULL)
        return (psn_chunk *)PyErr_NoMemory();
    memset(self, 0, size);
    PyObject_Init((PyObject *)self, type);
    set_up(self);
    self->count = count;
    for (Py_ssize_t i = 0; i < count; i++)
        self->arguments[i] = Py_NewRef(PyTuple_GET_ITEM(arguments, i));
    return self;
}

static psn_chunk *
new_of_one(PyObject *arguments)
{
    PyObject *items = PyTuple_Pack(1, arguments);
    psn_chunk *self = items == NULL ? NULL : new_chunk(psn_module_state.chunk_type, items);
    Py_XDECREF(items);
    return self;
}

psn_chunk *
psn_chunk_of_brief(psn_brief_calls *home, psn_single_call *kind, PyObject *arguments)
{
    psn_chunk *self = are_fixed(arguments) ? new_brief(arguments) : new_of_one(arguments);
    if (self == NULL)
        return NULL;
    self->home = (psn_brief_calls *)Py_NewRef(home);
    self->kind = (psn_single_call *)Py_NewRef(kind);
    return self;
}

/* ---- the types ---- */

static int
chunk_traverse(PyObject *op, visitproc visit, void *arg)
{
    psn_chunk *self = (psn_chunk *)op;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->call);
    Py_VISIT(self->items);
    Py_VISIT(self->sink);
    Py_VISIT(self->attempts);
    Py_VISIT(self->kept);
    Py_VISIT(self->value);
    Py_VISIT(self->home);
    Py_VISIT(self->kind);
    return 0;
}

static void
drop_all(psn_chunk *self)
{
    Py_CLEAR(self->call);
    Py_CLEAR(self->items);
    Py_CLEAR(self->attempts);
    Py_CLEAR(self->kept);
    Py_CLEAR(self->sink);
    Py_CLEAR(self->value);
    Py_CLEAR(self->home);
    Py_CLEAR(self->kind);
}

static int
chunk_clear(PyObject *op)
{
    psn_chunk *self = (psn_chunk *)op;
    PyObject *sink = self->sink;
    self->sink = Py_NewRef(Py_None); /* never NULL: who delivers looks at it */
    Py_XDECREF(sink);
    Py_CLEAR(self->kind); /* first: no call is made any more */
    Py_CLEAR(self->home);
    Py_CLEAR(self->call);
    Py_CLEAR(self->items);
    Py_CLEAR(self->kept);
    Py_CLEAR(self->value);
    return 0;
}

static void
chunk_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    drop_all((psn_chunk *)op);
    type->tp_free(op);
    Py_DECREF(type);
}

static void
brief_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    psn_chunk *self = (psn_chunk *)op;
    drop_all(self);
    for (Py_ssize_t i = 0; i < self->count; i++)
        Py_DECREF(self->arguments[i]);
    PyObject_Free(op);
    Py_DECREF(type);
}

static PyObject *
get_call(PyObject *op, void *ignored)
{
    (void)ignored;
    return psn_chunk_call((psn_chunk *)op);
}

/* The one item: the tuple of the arguments, alone in a tuple. */
static PyObject *
brief_items(PyObject *op, void *ignored)
{
    psn_chunk *self = (psn_chunk *)op;
    (void)ignored;
    PyObject *arguments = PyTuple_New(self->count);
    if (arguments == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < self->count; i++)
        PyTuple_SET_ITEM(arguments, i, Py_NewRef(self->arguments[i]));
    PyObject *items = PyTuple_Pack(1, arguments);
    Py_DECREF(arguments);
    return items;
}

static PyMethodDef chunk_methods[] = {
    {"deliver", (PyCFunction)(void (*)(void))chunk_deliver, METH_FASTCALL,
     PyDoc_STR("deliver(offset, values, seconds)\n\nTake in the results of the tasks from offset "
               "on; those taken in before are left alone.")},
    {NULL, NULL, 0, NULL},
};

#define MEMBER(name, type, flags, text)                                                           \
    {#name, type, offsetof(psn_chunk, name), flags, PyDoc_STR(text)}

#define MEMBERS_OF_BOTH                                                                            \
    MEMBER(attempts, T_OBJECT, READONLY, "The deaths that each of them is blamed for."),       \
        MEMBER(kept, T_OBJECT, 0, "What must live until they have ended."),                        \
        MEMBER(value, T_OBJECT, READONLY, "The result, where there is no sink."),                  \
        MEMBER(first, T_PYSSIZET, READONLY, "The first task's index in the call."),                \
        MEMBER(size, T_PYSSIZET, READONLY, "How many tasks."),                                     \
        MEMBER(ticket, T_LONGLONG, 0, "The message's number in the task queue, -1 for none."),     \
        MEMBER(delivered, T_PYSSIZET, 0, "How many of them have ended."),                          \
        MEMBER(ran, T_PYSSIZET, 0, "Results whose time nobody has learned yet."),                  \
        MEMBER(seconds, T_DOUBLE, 0, "That time.")

static PyMemberDef chunk_members[] = {
    MEMBERS_OF_BOTH,
    MEMBER(items, T_OBJECT, READONLY, "What the tasks are about."),
    {NULL, 0, 0, 0, NULL},
};

static PyMemberDef brief_members[] = {
    MEMBERS_OF_BOTH,
    {NULL, 0, 0, 0, NULL},
};

#define CALL {"call", get_call, NULL, PyDoc_STR("Whose tasks these are."), NULL}

static PyGetSetDef chunk_references[] = {
    CALL,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef brief_references[] = {
    CALL,
    {"items", brief_items, NULL, PyDoc_STR("What the task is about, alone in a tuple."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot chunk_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Chunk(call, first, items, sink, attempts=())")},
    {Py_tp_new, PSN_SLOT(chunk_new)},
    {Py_tp_traverse, PSN_SLOT(chunk_traverse)},
    {Py_tp_clear, PSN_SLOT(chunk_clear)},
    {Py_tp_dealloc, PSN_SLOT(chunk_dealloc)},
    {Py_tp_methods, chunk_methods},
    {Py_tp_members, chunk_members},
    {Py_tp_getset, chunk_references},
    {0, NULL},
};

PyType_Spec psn_chunk_spec = {
    .name = "procession._native.Chunk",
    .basicsize = sizeof(psn_chunk),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = chunk_slots,
};

static PyType_Slot brief_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A Chunk of one task, made by the short way of a call only.")},
    {Py_tp_dealloc, PSN_SLOT(brief_dealloc)},
    {Py_tp_methods, chunk_methods},
    {Py_tp_members, brief_members},
    {Py_tp_getset, brief_references},
    {0, NULL},
};

PyType_Spec psn_brief_chunk_spec = {
    .name = "procession._native.BriefChunk",
    .basicsize = sizeof(psn_chunk),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = brief_slots,
};
