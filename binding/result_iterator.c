/* ResultIterator: takes results out of a line for a loop, as long as nothing else is to be done.
 *
 * A base class.  Its next() is written in Python and does everything: waits, makes room for more
 * input, raises what a task raised.  Where a result is there and none of that is due, the loop gets it
 * without a line of Python.
 */
#include "references.h"
#include "result_line.h"

typedef struct {
    PyObject_HEAD
    PyObject *line, *failure;
} psn_result_iterator;

static int
iterator_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    psn_result_iterator *self = (psn_result_iterator *)op;
    static char *names[] = {"line", "failure", NULL};
    PyObject *line, *failure;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!:ResultIterator", names,
                                     psn_module_state.result_line_type, &line, &PyType_Type,
                                     &failure))
        return -1;
    Py_XSETREF(self->line, Py_NewRef(line));
    Py_XSETREF(self->failure, Py_NewRef(failure));
    return 0;
}

static PyObject *
iterator_next(PyObject *op)
{
    psn_result_iterator *self = (psn_result_iterator *)op;
    PyObject *value = NULL;
    if (self->line != NULL)
        value = psn_result_line_take(self->line, (PyTypeObject *)self->failure);
    return value != NULL ? value : PyObject_CallMethod(op, "next", NULL);
}

#define REFERENCES(EACH) EACH(line) EACH(failure)

PSN_TRAVERSE_AND_CLEAR(iterator, psn_result_iterator, REFERENCES)
PSN_DEALLOC(iterator)

static PyType_Slot iterator_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("ResultIterator(line, failure)\n\nA base class: takes what is in "
                                  "line, and calls its next() for all else.")},
    {Py_tp_new, PSN_SLOT(PyType_GenericNew)},
    {Py_tp_init, PSN_SLOT(iterator_init)},
    {Py_tp_iter, PSN_SLOT(PyObject_SelfIter)},
    {Py_tp_iternext, PSN_SLOT(iterator_next)},
    {Py_tp_traverse, PSN_SLOT(iterator_traverse)},
    {Py_tp_clear, PSN_SLOT(iterator_clear)},
    {Py_tp_dealloc, PSN_SLOT(iterator_dealloc)},
    {0, NULL},
};

PyType_Spec psn_result_iterator_spec = {
    .name = "procession._native.ResultIterator",
    .basicsize = sizeof(psn_result_iterator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = iterator_slots,
};
