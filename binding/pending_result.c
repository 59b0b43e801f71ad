/* PendingResult: what a result object holds, in the object itself.
 *
 * A base class.  Thousands of results may wait for their calls, and the short way makes one for each
 * (ticket_book.c): with the three references in a dictionary each would be two objects for the garbage
 * collector to walk over, and twice as much memory.
 */
#include "pending_result.h"
#include "references.h"

#include <structmember.h> /* wants Python.h before it */

PyObject *
psn_pending_result_new(PyTypeObject *type, PyObject *pool, PyObject *engine, PyObject *call)
{
    psn_pending_result *self = (psn_pending_result *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->pool = Py_NewRef(pool);
    self->engine = Py_NewRef(engine);
    self->call = Py_NewRef(call);
    return (PyObject *)self;
}

#define REFERENCES(EACH) EACH(pool) EACH(engine) EACH(call)
PSN_TRAVERSE_AND_CLEAR(result, psn_pending_result, REFERENCES)
PSN_DEALLOC(result)

#define MEMBER(name, field) {name, T_OBJECT_EX, offsetof(psn_pending_result, field), 0, NULL}

static PyMemberDef result_members[] = {
    MEMBER("_pool", pool),
    MEMBER("_engine", engine),
    MEMBER("_call", call),
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot result_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A base class: whose result it is, in three fields.")},
    {Py_tp_new, PSN_SLOT(PyType_GenericNew)},
    {Py_tp_traverse, PSN_SLOT(result_traverse)},
    {Py_tp_clear, PSN_SLOT(result_clear)},
    {Py_tp_dealloc, PSN_SLOT(result_dealloc)},
    {Py_tp_members, result_members},
    {0, NULL},
};

PyType_Spec psn_pending_result_spec = {
    .name = "procession._native.PendingResult",
    .basicsize = sizeof(psn_pending_result),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = result_slots,
};
