/* SingleCall: the fields of a call of one task, in one block of memory.
 *
 * What can be done with them is a Python class over this (ApplyCall in pool/calls.py).  The short
 * way of such calls (ticket_book.c) makes and ends them without running a line of that class.
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

/* Brief calls are not tracked: thousands of them may wait for their results, and a collection
 * would walk over them all.  From what such a call begins with no reference leads back to it;
 * what it is given later may have one, so then it is tracked like any other. */
static void
track(psn_single_call *self)
{
    if (!PyObject_GC_IsTracked((PyObject *)self))
        PyObject_GC_Track(self);
}

void
psn_single_call_finish(psn_single_call *self, PyObject *value)
{
    Py_XSETREF(self->value, Py_NewRef(value));
    self->ended = self->finished = true;
    if (PyObject_IS_GC(value))
        track(self);
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

/* A reference, by its place in the object: any that may lead back to the call. */
static PyObject *
get_reference(PyObject *op, void *offset)
{
    PyObject *found = *(PyObject **)((char *)op + (size_t)offset);
    return Py_NewRef(found == NULL ? Py_None : found);
}

static int
set_reference(PyObject *op, PyObject *value, void *offset)
{
    PyObject **place = (PyObject **)((char *)op + (size_t)offset);
    Py_XSETREF(*place, Py_XNewRef(value));
    track((psn_single_call *)op);
    return 0;
}

#define REFERENCES(EACH)                                                                           \
    EACH(number) EACH(function) EACH(pace) EACH(retries) EACH(recipe) EACH(open) EACH(item)        \
    EACH(returned) EACH(value) EACH(error) EACH(failed) EACH(callback) EACH(error_callback)        \
    EACH(timeout) EACH(target) EACH(kind) EACH(changed)

PSN_TRAVERSE_AND_CLEAR(call, psn_single_call, REFERENCES)
PSN_DEALLOC(call)

#define REFERENCE(name)                                                                            \
    {#name, get_reference, set_reference, NULL, (void *)offsetof(psn_single_call, name)}

static int
set_open(PyObject *op, PyObject *value, void *offset)
{
    ((psn_single_call *)op)->ticket = -1;
    return set_reference(op, value, offset);
}

static PyGetSetDef call_references[] = {
    {"open", get_open, set_open, NULL, (void *)offsetof(psn_single_call, open)},
    REFERENCE(number),   REFERENCE(function),       REFERENCE(pace),
    REFERENCE(retries),  REFERENCE(recipe),         REFERENCE(item),
    REFERENCE(returned), REFERENCE(value),          REFERENCE(error),
    REFERENCE(failed),   REFERENCE(callback),       REFERENCE(error_callback),
    REFERENCE(timeout),  REFERENCE(target),         REFERENCE(kind),
    REFERENCE(changed),  {NULL, NULL, NULL, NULL, NULL},
};

#define MEMBER(name, type) {#name, type, offsetof(psn_single_call, name), 0, NULL}

static PyMemberDef call_members[] = {
    MEMBER(interrupts, T_PYSSIZET), MEMBER(abandoned, T_BOOL),
    MEMBER(tasks_open, T_PYSSIZET), MEMBER(waiting, T_BOOL),      MEMBER(exhausted, T_BOOL),
    MEMBER(ended, T_BOOL),          MEMBER(finished, T_BOOL),     MEMBER(begun, T_BOOL),
    MEMBER(has_callback, T_BOOL),   MEMBER(has_keywords, T_BOOL), {NULL, 0, 0, 0, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The fields of a call of one task, None, 0 or False at first.")},
    {Py_tp_new, PSN_SLOT(call_new)},
    {Py_tp_traverse, PSN_SLOT(call_traverse)},
    {Py_tp_clear, PSN_SLOT(call_clear)},
    {Py_tp_dealloc, PSN_SLOT(call_dealloc)},
    {Py_tp_members, call_members},
    {Py_tp_getset, call_references},
    {0, NULL},
};

PyType_Spec psn_single_call_spec = {
    .name = "procession._native.SingleCall",
    .basicsize = sizeof(psn_single_call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = call_slots,
};
