/* Cells: memory that many locks share, as one Python object, so that a pickle holds it once. */
#include "sync.h"

typedef struct {
    PyObject_HEAD
    psn_cells *cells;
} psn_cells_object;

/* The one object of these cells in this process; takes over a use of them. */
static PyObject *
object_of(PyTypeObject *type, psn_cells *cells)
{
    void **tag = psn_cells_tag(cells);
    if (*tag != NULL) {
        psn_cells_release(cells); /* the object has a use of its own */
        return Py_NewRef((PyObject *)*tag);
    }
    psn_cells_object *self = (psn_cells_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        psn_cells_release(cells);
        return NULL;
    }
    self->cells = cells;
    *tag = self;
    return (PyObject *)self;
}

static PyObject *
cells_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"descriptor", NULL};
    int descriptor;
    psn_cells *cells;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i:Cells", names, &descriptor))
        return NULL;
    psn_status status = psn_cells_attach(descriptor, &cells);
    return status == PSN_OK ? object_of(type, cells) : psn_sync_raise(status);
}

static void
cells_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    psn_cells *cells = ((psn_cells_object *)op)->cells;
    *psn_cells_tag(cells) = NULL;
    psn_cells_release(cells);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
cells_descriptors(PyObject *op, PyObject *ignored)
{
    (void)ignored;
    psn_cells *cells = ((psn_cells_object *)op)->cells;
    psn_cells_expose(cells);
    return Py_BuildValue("(i)", psn_cells_descriptor(cells));
}

static PyMethodDef cells_methods[] = {
    {"descriptors", cells_descriptors, METH_NOARGS,
     PyDoc_STR("(memory,): what another process needs to attach; still owned here.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot cells_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Cells(descriptor): shared memory of many locks and their kin.")},
    {Py_tp_new, PSN_SLOT(cells_new)},
    {Py_tp_dealloc, PSN_SLOT(cells_dealloc)},
    {Py_tp_methods, cells_methods},
    {0, NULL},
};

PyType_Spec psn_cells_spec = {
    .name = "procession._native.Cells",
    .basicsize = sizeof(psn_cells_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = cells_slots,
};

/* ---- what every lock does ---- */

PyObject *
psn_sync_raise(psn_status status)
{
    if (status == PSN_NO_MEMORY)
        return PyErr_Format(PyExc_MemoryError,
                            "the system has no memory left for another lock, semaphore, event or "
                            "condition");
    return psn_raise(status, "lock, semaphore, event or condition");
}

static int
open_at(psn_sync_object *self, psn_sync_kind kind, PyObject *place)
{
    PyObject *cells;
    unsigned number;
    if (!PyTuple_Check(place)) {
        PyErr_Format(PyExc_TypeError, "place is a pair (cells, number), not %R", place);
        return -1;
    }
    if (!PyArg_ParseTuple(place, "O!I:place", psn_module_state.cells_type, &cells, &number))
        return -1;
    psn_status status =
        psn_sync_open(((psn_cells_object *)cells)->cells, number, kind, &self->sync);
    if (status == PSN_OK)
        return 0;
    psn_sync_raise(status);
    return -1;
}

int
psn_sync_make(psn_sync_object *self, psn_sync_kind kind, uint64_t value, uint64_t max,
              PyObject *place)
{
    if (self->sync != NULL) {
        PyErr_Format(PyExc_RuntimeError, "this %s is made already", Py_TYPE(self)->tp_name);
        return -1;
    }
    if (place != NULL && place != Py_None)
        return open_at(self, kind, place);
    psn_status status = psn_sync_create(kind, value, max, &self->sync);
    if (status == PSN_OK)
        return 0;
    psn_sync_raise(status);
    return -1;
}

int
psn_sync_check(psn_sync_object *self)
{
    if (self->sync != NULL)
        return 0;
    PyErr_Format(PyExc_ValueError, "this %s was never made: its __init__ has not been called",
                 Py_TYPE(self)->tp_name);
    return -1;
}

void
psn_sync_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    psn_sync_object *self = (psn_sync_object *)op;
    if (self->sync != NULL)
        psn_sync_close(self->sync);
    type->tp_free(op);
    Py_DECREF(type);
}

PyObject *
psn_sync_place(PyObject *op, void *closure)
{
    psn_sync_object *self = (psn_sync_object *)op;
    (void)closure;
    if (psn_sync_check(self) < 0)
        return NULL;
    psn_cells *cells = psn_sync_cells(self->sync);
    psn_cells_keep(cells);
    PyObject *object = object_of(psn_module_state.cells_type, cells);
    return object == NULL ? NULL : Py_BuildValue("NI", object, psn_sync_number(self->sync));
}
