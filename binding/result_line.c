/* ResultLine: results of an iterator of the pool on their way to who takes them.
 *
 * Each operation is one step under the GIL, so a KeyboardInterrupt or another thread never sees
 * half of one: a result is in the line or it was taken.  In an ordered line what comes too early
 * waits aside until all before it have come.
 */
#include "result_line.h"

#include <structmember.h> /* wants Python.h before it */

typedef struct {
    PyObject_HEAD
    PyObject **ring; /* capacity is a power of two, or 0 */
    Py_ssize_t capacity, head, count;
    Py_ssize_t lined; /* results ever put in line; ordered: the index of the next one */
    PyObject *early;  /* ordered: index -> result */
    Py_ssize_t refill_at; /* when so many are taken, who takes is to look for room */
    bool ordered, closed;
} psn_result_line;

/* Makes room for so many more. */
static int
make_room(psn_result_line *self, Py_ssize_t more)
{
    Py_ssize_t capacity = self->capacity == 0 ? 64 : self->capacity;
    while (capacity - self->count < more)
        capacity *= 2;
    if (capacity == self->capacity)
        return 0;
    PyObject **ring = PyMem_New(PyObject *, capacity);
    if (ring == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < self->count; i++)
        ring[i] = self->ring[(self->head + i) & (self->capacity - 1)];
    PyMem_Free(self->ring);
    self->ring = ring;
    self->capacity = capacity;
    self->head = 0;
    return 0;
}

/* Puts in what has its place and a reference of its own. */
static void
line_up_own(psn_result_line *self, PyObject *value)
{
    self->ring[(self->head + self->count) & (self->capacity - 1)] = value;
    self->count++;
    self->lined++;
}

static int
line_up(psn_result_line *self, PyObject *value)
{
    if (make_room(self, 1) < 0)
        return -1;
    line_up_own(self, Py_NewRef(value));
    return 0;
}

/* Moves into the line what waited for the result that has just come. */
static int
line_up_early(psn_result_line *self)
{
    while (PyDict_GET_SIZE(self->early) > 0) {
        PyObject *key = PyLong_FromSsize_t(self->lined);
        PyObject *value = key == NULL ? NULL : PyDict_GetItemWithError(self->early, key);
        int status = value == NULL ? (PyErr_Occurred() ? -1 : 1) : line_up(self, value);
        if (status == 0)
            status = PyDict_DelItem(self->early, key);
        Py_XDECREF(key);
        if (status != 0)
            return status < 0 ? -1 : 0;
    }
    return 0;
}

bool
psn_is_result_line(PyObject *obj)
{
    return PyObject_TypeCheck(obj, psn_module_state.result_line_type);
}

int
psn_result_line_put(PyObject *line, Py_ssize_t index, PyObject *value)
{
    psn_result_line *self = (psn_result_line *)line;
    if (self->early == NULL || self->closed) /* it is being collected, or nobody waits */
        return 0;
    if (!self->ordered)
        return line_up(self, value);
    if (index == self->lined)
        return line_up(self, value) < 0 ? -1 : line_up_early(self);
    if (index < self->lined)
        return 0;
    PyObject *key = PyLong_FromSsize_t(index);
    int status = key == NULL ? -1 : PyDict_SetItem(self->early, key, value);
    Py_XDECREF(key);
    return status;
}

static PyObject *
line_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "put() takes index and value, not %zd arguments", nargs);
        return NULL;
    }
    Py_ssize_t index = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if (index == -1 && PyErr_Occurred())
        return NULL;
    if (psn_result_line_put(op, index, args[1]) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
line_put_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2 || !PyList_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "put_many() takes the first index and a list of values");
        return NULL;
    }
    Py_ssize_t first = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if (first == -1 && PyErr_Occurred())
        return NULL;
    psn_result_line *self = (psn_result_line *)op;
    Py_ssize_t count = PyList_GET_SIZE(args[1]);
    /* As a rule they follow what is in line: then the references move, and no object is touched. */
    bool fits = self->early != NULL && !self->closed && (!self->ordered || first == self->lined);
    if (fits && make_room(self, count) < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = PyList_GET_ITEM(args[1], i);
        if (fits) {
            PyList_SET_ITEM(args[1], i, Py_NewRef(Py_None));
            line_up_own(self, value);
        } else if (psn_result_line_put(op, first + i, value) < 0)
            return NULL;
    }
    if (fits && self->ordered && line_up_early(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
line_close(PyObject *op, PyObject *ignored)
{
    (void)ignored;
    ((psn_result_line *)op)->closed = true;
    Py_RETURN_NONE;
}

static PyObject *
take_first(psn_result_line *self)
{
    PyObject *value = self->ring[self->head];
    self->head = (self->head + 1) & (self->capacity - 1);
    self->count--;
    return value;
}

PyObject *
psn_result_line_take(PyObject *line, const PyTypeObject *except)
{
    psn_result_line *self = (psn_result_line *)line;
    if (self->count == 0 || self->lined - self->count + 1 >= self->refill_at ||
        Py_TYPE(self->ring[self->head]) == except)
        return NULL;
    return take_first(self);
}

static PyObject *
line_take(PyObject *op, PyObject *ignored)
{
    psn_result_line *self = (psn_result_line *)op;
    (void)ignored;
    if (self->count == 0) {
        PyErr_SetNone(PyExc_LookupError);
        return NULL;
    }
    return take_first(self);
}

static Py_ssize_t
line_length(PyObject *op)
{
    return ((psn_result_line *)op)->count;
}

static PyObject *
line_taken(PyObject *op, void *ignored)
{
    psn_result_line *self = (psn_result_line *)op;
    (void)ignored;
    return PyLong_FromSsize_t(self->lined - self->count);
}

static PyObject *
line_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"ordered", NULL};
    int ordered;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$p:ResultLine", names, &ordered))
        return NULL;
    psn_result_line *self = (psn_result_line *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->ordered = ordered;
    self->early = PyDict_New();
    if (self->early == NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int
line_traverse(PyObject *op, visitproc visit, void *arg)
{
    psn_result_line *self = (psn_result_line *)op;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->early);
    for (Py_ssize_t i = 0; i < self->count; i++)
        Py_VISIT(self->ring[(self->head + i) & (self->capacity - 1)]);
    return 0;
}

static int
line_clear(PyObject *op)
{
    psn_result_line *self = (psn_result_line *)op;
    Py_CLEAR(self->early);
    while (self->count > 0)
        Py_DECREF(take_first(self));
    return 0;
}

static void
line_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    line_clear(op);
    PyMem_Free(((psn_result_line *)op)->ring);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef line_methods[] = {
    {"put", (PyCFunction)(void (*)(void))line_put, METH_FASTCALL,
     PyDoc_STR("put(index, value)\n\nPut in the result of a task; ordered: a second one is ignored.")},
    {"put_many", (PyCFunction)(void (*)(void))line_put_many, METH_FASTCALL,
     PyDoc_STR("put_many(first, values)\n\nPut in the results of consecutive tasks; "
               "takes them out of the list, or leaves them there.")},
    {"close", line_close, METH_NOARGS,
     PyDoc_STR("close()\n\nIgnore results from now on; those that are there can be taken.")},
    {"take", line_take, METH_NOARGS,
     PyDoc_STR("take() -> value\n\nTake the first result; LookupError when none is there.")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef line_members[] = {
    {"refill_at", T_PYSSIZET, offsetof(psn_result_line, refill_at), 0,
     PyDoc_STR("When so many results are taken, who takes is to look for room.")},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef line_properties[] = {
    {"taken", line_taken, NULL, PyDoc_STR("How many results were taken."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot line_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("ResultLine(*, ordered): results until they are taken.")},
    {Py_tp_new, PSN_SLOT(line_new)},
    {Py_tp_traverse, PSN_SLOT(line_traverse)},
    {Py_tp_clear, PSN_SLOT(line_clear)},
    {Py_tp_dealloc, PSN_SLOT(line_dealloc)},
    {Py_tp_methods, line_methods},
    {Py_tp_members, line_members},
    {Py_tp_getset, line_properties},
    {Py_sq_length, PSN_SLOT(line_length)},
    {0, NULL},
};

PyType_Spec psn_result_line_spec = {
    .name = "procession._native.ResultLine",
    .basicsize = sizeof(psn_result_line),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = line_slots,
};
