/* BriefCalls: where the calls of a pool's short way become known to its engine.
 *
 * A call of the short way (ticket_book.c) is a chunk and a result at first.  The call itself is made when
 * anybody looks at it: a death, a cancellation, the end of the pool, or the user.  Then it gets a
 * number and stands in the engine's table as if it had always been there.
 *
 * Each chunk refers to this object, and the collector does not know of most chunks.  So nothing in
 * it leads to the engine's ledger, which has the chunks.
 */
#include "chunk_object.h"
#include "references.h"

psn_brief_calls *
psn_brief_calls_new(PyObject *calls, PyObject *numbers)
{
    PyTypeObject *type = psn_module_state.brief_calls_type;
    psn_brief_calls *self = (psn_brief_calls *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->calls = Py_NewRef(calls);
    self->numbers = Py_NewRef(numbers);
    return self;
}

/* Gives the call a number; -1 with an exception. */
static int
number_call(psn_brief_calls *self, psn_single_call *call)
{
    PyObject *number = self->numbers == NULL ? NULL : PyIter_Next(self->numbers);
    if (number == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_RuntimeError, "no number for a call: its pool is being deleted");
        return -1;
    }
    Py_XSETREF(call->number, number);
    return 0;
}

/* One of the unseen calls can be seen; -1 with an exception. */
static int
enter_call(psn_brief_calls *self, psn_single_call *call)
{
    self->unseen--;
    return self->calls == NULL ? 0 : PyDict_SetItem(self->calls, call->number, (PyObject *)call);
}

/* Makes the call: from now on it is one like any other. */
static int
show_call(psn_chunk *self)
{
    psn_single_call *call = psn_single_call_like(self->kind);
    if (call == NULL)
        return -1;
    int status = number_call(self->home, call);
    if (status < 0 || self->call != NULL) { /* made by a finalizer that ran meanwhile */
        Py_DECREF(call);
        return status;
    }
    self->call = (PyObject *)call;
    if (self->ended) {
        psn_single_call_finish(call, self->value);
        return 0;
    }
    if (self->ticket < 0) /* it was not begun, or was taken back */
        return 0;
    call->ticket = self->ticket;
    call->tasks_open = 1;
    return enter_call(self->home, call);
}

PyObject *
psn_chunk_call(psn_chunk *self)
{
    if (self->call == NULL && self->kind != NULL && show_call(self) < 0)
        return NULL;
    return Py_NewRef(self->call == NULL ? Py_None : self->call);
}

/* What only this chunk refers to is part of who has the chunk.  If others have it as well, what
 * it refers to is taken for used by somebody unknown, and so left alone. */
int
psn_chunk_visit(PyObject *op, visitproc visit, void *arg)
{
    psn_chunk *self = (psn_chunk *)op;
    if (Py_IS_TYPE(op, psn_module_state.brief_chunk_type) && Py_REFCNT(op) == 1) {
        Py_VISIT(self->call);
        Py_VISIT(self->value);
    }
    Py_VISIT(op);
    return 0;
}

#define REFERENCES(EACH) EACH(calls) EACH(numbers)
PSN_TRAVERSE_AND_CLEAR(calls, psn_brief_calls, REFERENCES)
PSN_DEALLOC(calls)

static PyType_Slot calls_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Where the calls of a pool's short way become known.")},
    {Py_tp_traverse, PSN_SLOT(calls_traverse)},
    {Py_tp_clear, PSN_SLOT(calls_clear)},
    {Py_tp_dealloc, PSN_SLOT(calls_dealloc)},
    {0, NULL},
};

PyType_Spec psn_brief_calls_spec = {
    .name = "procession._native.BriefCalls",
    .basicsize = sizeof(psn_brief_calls),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = calls_slots,
};
