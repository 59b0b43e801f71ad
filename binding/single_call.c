/* SingleCall: the fields of a call of one task, in one block of memory.
 *
 * What can be done with them is a Python class over this (ApplyCall in pool/calls.py).  The short
 * way of such calls (ticket_book.c) makes one only if somebody looks at it.
 */
#include "single_call.h"
#include "references.h"

#include <structmember.h> /* wants Python.h before it */

psn_single_call *
psn_single_call_new(PyTypeObject *type)
{
    psn_single_call *self = (psn_single_call *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->ticket = -1;
    self->returned = PyTuple_New(0);
    if (self->returned == NULL)
        Py_CLEAR(self);
    return self;
}

psn_single_call *
psn_single_call_like(const psn_single_call *model)
{
    psn_single_call *self = psn_single_call_new(Py_TYPE(model));
    if (self == NULL)
        return NULL;
    self->function = Py_XNewRef(model->function);
    self->pace = Py_XNewRef(model->pace);
    self->retries = Py_XNewRef(model->retries);
    self->recipe = Py_XNewRef(model->recipe);
    self->exhausted = true;
    return self;
}

void
psn_single_call_finish(psn_single_call *self, PyObject *value)
{
    Py_XSETREF(self->value, Py_NewRef(value));
    self->ended = self->finished = true;
}

static PyObject *
call_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args; /* the subclass has an __init__ for them */
    (void)kwargs;
    return (PyObject *)psn_single_call_new(type);
}

static PyObject *
get_open(PyObject *op, void *ignored)
{
    psn_single_call *self = (psn_single_call *)op;
    (void)ignored;
    if (self->open == NULL) {
        PyObject *open = PySet_New(NULL);
        PyObject *ticket = open == NULL ? NULL : PyLong_FromLongLong(self->ticket);
        if (ticket == NULL || (self->ticket >= 0 && PySet_Add(open, ticket) < 0))
            Py_CLEAR(open);
        Py_XDECREF(ticket);
        if (open == NULL)
            return NULL;
        self->open = open;
        self->ticket = -1;
    }
    return Py_NewRef(self->open);
}

#define REFERENCES(EACH)                                                                           \
    EACH(number) EACH(function) EACH(pace) EACH(retries) EACH(recipe) EACH(open) EACH(item)        \
    EACH(returned) EACH(value) EACH(error) EACH(failed) EACH(callback) EACH(error_callback)        \
    EACH(timeout) EACH(target) EACH(kind) EACH(changed)

PSN_TRAVERSE_AND_CLEAR(call, psn_single_call, REFERENCES)
PSN_DEALLOC(call)

static int
set_open(PyObject *op, PyObject *value, void *ignored)
{
    psn_single_call *self = (psn_single_call *)op;
    (void)ignored;
    self->ticket = -1;
    Py_XSETREF(self->open, Py_XNewRef(value));
    return 0;
}

static PyGetSetDef call_open[] = {
    {"open", get_open, set_open, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define MEMBER(name, type) {#name, type, offsetof(psn_single_call, name), 0, NULL}

static PyMemberDef call_members[] = {
    MEMBER(number, T_OBJECT),       MEMBER(function, T_OBJECT),
    MEMBER(pace, T_OBJECT),         MEMBER(retries, T_OBJECT),
    MEMBER(recipe, T_OBJECT),       MEMBER(item, T_OBJECT),
    MEMBER(returned, T_OBJECT),     MEMBER(value, T_OBJECT),
    MEMBER(error, T_OBJECT),        MEMBER(failed, T_OBJECT),
    MEMBER(callback, T_OBJECT),     MEMBER(error_callback, T_OBJECT),
    MEMBER(timeout, T_OBJECT),      MEMBER(target, T_OBJECT),
    MEMBER(kind, T_OBJECT),         MEMBER(changed, T_OBJECT),
    MEMBER(interrupts, T_PYSSIZET), MEMBER(tasks_open, T_PYSSIZET),
    MEMBER(abandoned, T_BOOL),      MEMBER(waiting, T_BOOL),
    MEMBER(exhausted, T_BOOL),      MEMBER(ended, T_BOOL),
    MEMBER(finished, T_BOOL),       MEMBER(begun, T_BOOL),
    MEMBER(has_callback, T_BOOL),   MEMBER(has_keywords, T_BOOL),
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The fields of a call of one task, None, 0 or False at first.")},
    {Py_tp_new, PSN_SLOT(call_new)},
    {Py_tp_traverse, PSN_SLOT(call_traverse)},
    {Py_tp_clear, PSN_SLOT(call_clear)},
    {Py_tp_dealloc, PSN_SLOT(call_dealloc)},
    {Py_tp_members, call_members},
    {Py_tp_getset, call_open},
    {0, NULL},
};

PyType_Spec psn_single_call_spec = {
    .name = "procession._native.SingleCall",
    .basicsize = sizeof(psn_single_call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = call_slots,
};
