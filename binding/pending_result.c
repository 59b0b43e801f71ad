/* PendingResult: what a result object holds, in the object itself, and its way to a value that is there.
 *
 * A base class.  Thousands of results may wait for their calls, and the short way makes one for each
 * (ticket_book.c): with the three references in a dictionary each would be two objects for the garbage
 * collector to walk over, and twice as much memory.  A result of the short way has the chunk at first, and
 * the call as soon as anybody asks for that.
 */
#include "pending_result.h"
#include "chunk_object.h"
#include "references.h"

#include <structmember.h> /* wants Python.h before it */

PyObject *
psn_pending_result_new(PyTypeObject *type, PyObject *pool, PyObject *engine, PyObject *chunk)
{
    psn_pending_result *self = (psn_pending_result *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->pool = Py_NewRef(pool);
    self->engine = Py_NewRef(engine);
    self->call = Py_NewRef(chunk);
    return (PyObject *)self;
}

/* The chunk in place of the call; NULL for none. */
static psn_chunk *
chunk_of(const psn_pending_result *self)
{
    return self->call != NULL && psn_is_chunk(self->call) ? (psn_chunk *)self->call : NULL;
}

/* ---- whether it is there ---- */

static int
is_finished(PyObject *call)
{
    if (PyObject_TypeCheck(call, psn_module_state.single_call_type))
        return ((psn_single_call *)call)->finished;
    PyObject *finished = PyObject_GetAttrString(call, "finished");
    int status = finished == NULL ? -1 : PyObject_IsTrue(finished);
    Py_XDECREF(finished);
    return status;
}

/* 1: the outcome is there; -1 with an exception. */
static int
has_ended(const psn_pending_result *self)
{
    const psn_chunk *chunk = chunk_of(self);
    if (chunk != NULL && (chunk->ended || chunk->call == NULL))
        return chunk->ended;
    PyObject *call = chunk == NULL ? self->call : chunk->call;
    if (call == NULL) {
        PyErr_SetString(PyExc_AttributeError, "_call");
        return -1;
    }
    return is_finished(call);
}

static PyObject *
result_has_ended(PyObject *op, PyObject *ignored)
{
    int ended = has_ended((psn_pending_result *)op);
    (void)ignored;
    return ended < 0 ? NULL : PyBool_FromLong(ended);
}

/* ---- what it is ---- */

static int
wait_for_end(psn_pending_result *self, PyObject *timeout)
{
    int ended = has_ended(self);
    if (ended != 0)
        return ended < 0 ? -1 : 0;
    PyObject *waited = PyObject_CallMethod((PyObject *)self, "wait", "O", timeout);
    Py_XDECREF(waited);
    ended = waited == NULL ? -1 : has_ended(self);
    if (ended == 0)
        Py_XDECREF(PyObject_CallMethod((PyObject *)self, "_say_late", "O", timeout)); /* it raises */
    return ended > 0 ? 0 : -1;
}

static PyObject *
result_get(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"timeout", NULL};
    psn_pending_result *self = (psn_pending_result *)op;
    PyObject *timeout = Py_None;
    if ((PyTuple_GET_SIZE(args) > 0 || kwargs != NULL) &&
        !PyArg_ParseTupleAndKeywords(args, kwargs, "|O:get", names, &timeout))
        return NULL;
    if (wait_for_end(self, timeout) < 0)
        return NULL;
    const psn_chunk *chunk = chunk_of(self);
    if (chunk != NULL && chunk->ended)
        return Py_NewRef(chunk->value);
    return PyObject_CallMethod(op, "_outcome", NULL);
}

/* ---- the fields ---- */

static PyObject *
get_call(PyObject *op, void *ignored)
{
    psn_pending_result *self = (psn_pending_result *)op;
    psn_chunk *chunk = chunk_of(self);
    (void)ignored;
    if (chunk != NULL) {
        Py_INCREF(chunk); /* a finalizer may ask as well while the call is made */
        PyObject *call = psn_chunk_call(chunk);
        Py_DECREF(chunk);
        if (call == NULL)
            return NULL;
        Py_XSETREF(self->call, call);
    }
    if (self->call == NULL)
        PyErr_SetString(PyExc_AttributeError, "_call");
    return Py_XNewRef(self->call);
}

static int
set_call(PyObject *op, PyObject *call, void *ignored)
{
    psn_pending_result *self = (psn_pending_result *)op;
    (void)ignored;
    Py_XSETREF(self->call, Py_XNewRef(call));
    return 0;
}

static int
result_traverse(PyObject *op, visitproc visit, void *arg)
{
    psn_pending_result *self = (psn_pending_result *)op;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->pool);
    Py_VISIT(self->engine);
    if (chunk_of(self) != NULL)
        return psn_chunk_visit(self->call, visit, arg);
    Py_VISIT(self->call);
    return 0;
}

static int
result_clear(PyObject *op)
{
    psn_pending_result *self = (psn_pending_result *)op;
    Py_CLEAR(self->pool);
    Py_CLEAR(self->engine);
    Py_CLEAR(self->call);
    return 0;
}

PSN_DEALLOC(result)

static PyMethodDef result_methods[] = {
    {"get", (PyCFunction)(void (*)(void))result_get, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("get($self, timeout=None)\n--\n\n"
               "Return what the call returned, or raise what it raised.\n\n"
               "Raises multiprocessing.TimeoutError when it has not ended after ``timeout`` seconds.")},
    {"_has_ended", result_has_ended, METH_NOARGS,
     PyDoc_STR("_has_ended($self)\n--\n\nReturn whether the call has ended.")},
    {NULL, NULL, 0, NULL},
};

#define MEMBER(name, field) {name, T_OBJECT_EX, offsetof(psn_pending_result, field), 0, NULL}

static PyMemberDef result_members[] = {
    MEMBER("_pool", pool),
    MEMBER("_engine", engine),
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef result_call[] = {
    {"_call", get_call, set_call, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot result_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A base class: whose result it is, in three fields, and get().")},
    {Py_tp_new, PSN_SLOT(PyType_GenericNew)},
    {Py_tp_traverse, PSN_SLOT(result_traverse)},
    {Py_tp_clear, PSN_SLOT(result_clear)},
    {Py_tp_dealloc, PSN_SLOT(result_dealloc)},
    {Py_tp_methods, result_methods},
    {Py_tp_members, result_members},
    {Py_tp_getset, result_call},
    {0, NULL},
};

PyType_Spec psn_pending_result_spec = {
    .name = "procession._native.PendingResult",
    .basicsize = sizeof(psn_pending_result),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = result_slots,
};
