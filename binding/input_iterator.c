/* InputIterator: the items of a user's iterator, each as it was when it was read.
 *
 * An iterator may give the same list or array again and again, with other contents: each item has
 * to be kept before the next is asked for.  Most need nothing: numbers and strings cannot
 * change, and what nobody else refers to will not be changed by anybody.  The others go to `keep`,
 * which returns what stands for them.
 */
#include "references.h"

enum { DEEPEST = 4, MOST_LOOKS = 1 << 16 };

typedef struct {
    PyObject_HEAD
    PyObject *source, *keep;
    PyObject *unkept; /* keep() was interrupted: the item comes next */
    PyObject *array_type, *scalar_type, *void_type; /* NumPy's, or NULL */
} psn_input_iterator;

/* ---- what stays as it is ---- */

static bool is_own_at(const psn_input_iterator *self, PyObject *obj, bool alone, int depth,
                      Py_ssize_t *looks);

/* Whether nobody but the one who holds this reference has the object. */
static bool
is_alone(PyObject *obj)
{
#ifdef Py_GIL_DISABLED
    (void)obj;
    return false; /* its count of references tells less */
#else
    return Py_REFCNT(obj) == 1;
#endif
}

static bool
are_own(const psn_input_iterator *self, PyObject *const *items, Py_ssize_t count, bool alone,
        int depth, Py_ssize_t *looks)
{
    *looks -= count;
    if (*looks < 0)
        return false;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!is_own_at(self, items[i], alone, depth, looks))
            return false;
    }
    return true;
}

static bool
is_own_dict(const psn_input_iterator *self, PyObject *obj, int depth, Py_ssize_t *looks)
{
    Py_ssize_t position = 0;
    PyObject *key, *value;
    *looks -= PyDict_GET_SIZE(obj);
    if (*looks < 0)
        return false;
    while (PyDict_Next(obj, &position, &key, &value)) {
        if (!is_own_at(self, key, false, depth, looks) ||
            !is_own_at(self, value, true, depth, looks))
            return false;
    }
    return true;
}

static bool
attribute_is(PyObject *obj, const char *name, PyObject *wanted)
{
    PyObject *value = PyObject_GetAttrString(obj, name);
    Py_XDECREF(value);
    if (value == NULL)
        PyErr_Clear();
    return value == wanted;
}

/* An array is no view of another one's memory, and has no objects in it. */
static bool
is_own_array(PyObject *obj)
{
    if (!attribute_is(obj, "base", Py_None))
        return false;
    PyObject *dtype = PyObject_GetAttrString(obj, "dtype");
    bool is_own = dtype != NULL && attribute_is(dtype, "hasobject", Py_False);
    Py_XDECREF(dtype);
    if (dtype == NULL)
        PyErr_Clear();
    return is_own;
}

static bool
is_scalar(const psn_input_iterator *self, PyTypeObject *type)
{
    return self->scalar_type != NULL &&
           PyType_IsSubtype(type, (PyTypeObject *)self->scalar_type) &&
           !PyType_IsSubtype(type, (PyTypeObject *)self->void_type); /* a view of an array's row */
}

/* `alone`: nobody else has what this lies in. */
static bool
is_own_at(const psn_input_iterator *self, PyObject *obj, bool alone, int depth, Py_ssize_t *looks)
{
    PyTypeObject *type = Py_TYPE(obj);
    if (obj == Py_None || type == &PyLong_Type || type == &PyUnicode_Type ||
        type == &PyFloat_Type || type == &PyBool_Type || type == &PyBytes_Type ||
        type == &PyComplex_Type)
        return true;
    if (depth == DEEPEST)
        return false;
    alone = alone && is_alone(obj);
    if (type == &PyTuple_Type)
        return are_own(self, &PyTuple_GET_ITEM(obj, 0), PyTuple_GET_SIZE(obj), alone, depth + 1,
                       looks);
    if (alone && type == &PyList_Type)
        return are_own(self, ((PyListObject *)obj)->ob_item, PyList_GET_SIZE(obj), true, depth + 1,
                       looks);
    if (alone && type == &PyDict_Type)
        return is_own_dict(self, obj, depth + 1, looks);
    if (alone && (PyObject *)type == self->array_type)
        return is_own_array(obj);
    return is_scalar(self, type);
}

/* ---- the type ---- */

static PyObject *
iterator_next(PyObject *op)
{
    psn_input_iterator *self = (psn_input_iterator *)op;
    PyObject *item = self->unkept;
    self->unkept = NULL;
    if (item == NULL) {
        item = self->source == NULL ? NULL : Py_TYPE(self->source)->tp_iternext(self->source);
        Py_ssize_t looks = MOST_LOOKS;
        if (item == NULL || is_own_at(self, item, true, 0, &looks))
            return item;
    }
    PyObject *kept = PyObject_CallOneArg(self->keep, item);
    if (kept == NULL)
        self->unkept = item;
    else
        Py_DECREF(item);
    return kept;
}

/* The types of NumPy, where the program has imported it. */
static int
look_up_numpy(psn_input_iterator *self)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *numpy = PyDict_GetItemString(modules, "numpy");
    if (numpy == NULL)
        return 0;
    Py_XSETREF(self->array_type, PyObject_GetAttrString(numpy, "ndarray"));
    Py_XSETREF(self->scalar_type, PyObject_GetAttrString(numpy, "generic"));
    Py_XSETREF(self->void_type, PyObject_GetAttrString(numpy, "void"));
    if (self->array_type == NULL || self->scalar_type == NULL || self->void_type == NULL ||
        !PyType_Check(self->scalar_type) || !PyType_Check(self->void_type)) {
        PyErr_Clear(); /* it is being imported, or is something else: its arrays are kept, then */
        Py_CLEAR(self->array_type);
        Py_CLEAR(self->scalar_type);
    }
    return 0;
}

static int
iterator_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    psn_input_iterator *self = (psn_input_iterator *)op;
    static char *names[] = {"source", "keep", NULL};
    PyObject *source, *keep;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:InputIterator", names, &source, &keep))
        return -1;
    if (!PyIter_Check(source)) {
        PyErr_Format(PyExc_TypeError, "InputIterator() takes an iterator, not %R", source);
        return -1;
    }
    Py_XSETREF(self->source, Py_NewRef(source));
    Py_XSETREF(self->keep, Py_NewRef(keep));
    return look_up_numpy(self);
}

#define REFERENCES(EACH)                                                                           \
    EACH(source) EACH(keep) EACH(unkept) EACH(array_type) EACH(scalar_type) EACH(void_type)

PSN_TRAVERSE_AND_CLEAR(iterator, psn_input_iterator, REFERENCES)
PSN_DEALLOC(iterator)

static PyType_Slot iterator_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("InputIterator(source, keep)\n\nThe items of source; those that "
                                  "somebody else could change as keep(item).")},
    {Py_tp_new, PSN_SLOT(PyType_GenericNew)},
    {Py_tp_init, PSN_SLOT(iterator_init)},
    {Py_tp_iter, PSN_SLOT(PyObject_SelfIter)},
    {Py_tp_iternext, PSN_SLOT(iterator_next)},
    {Py_tp_traverse, PSN_SLOT(iterator_traverse)},
    {Py_tp_clear, PSN_SLOT(iterator_clear)},
    {Py_tp_dealloc, PSN_SLOT(iterator_dealloc)},
    {0, NULL},
};

PyType_Spec psn_input_iterator_spec = {
    .name = "procession._native.InputIterator",
    .basicsize = sizeof(psn_input_iterator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = iterator_slots,
};
