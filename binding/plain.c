/* Which values are plain.
 *
 * A message of plain values cannot fail to be read, whatever way the codec takes: there is no
 * class of a user's in it whose unpickling could raise.  The pool relies on that for what it
 * writes to its workers and they to it; all else travels as a parcel (pool/parcel.py).
 * Long strings are not plain: in a message of its own such a string is not copied twice.  Nor is
 * what takes long to look at: a list that stands a thousand times in a list that stands a thousand
 * times in another is small, but looked at a million times.
 */
#include "plain.h"

enum { DEEPEST = 4, LONGEST = 64 * 1024, MOST_LOOKS = 1 << 22 };

static bool is_plain_at(PyObject *obj, int depth, Py_ssize_t *looks);

static bool
are_plain(PyObject *const *items, Py_ssize_t count, int depth, Py_ssize_t *looks)
{
    *looks -= count;
    if (*looks < 0)
        return false;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!is_plain_at(items[i], depth, looks))
            return false;
    }
    return true;
}

static bool
is_plain_dict(PyObject *obj, int depth, Py_ssize_t *looks)
{
    Py_ssize_t position = 0;
    PyObject *key, *value;
    *looks -= PyDict_GET_SIZE(obj);
    if (*looks < 0)
        return false;
    while (PyDict_Next(obj, &position, &key, &value)) {
        if (!is_plain_at(key, depth, looks) || !is_plain_at(value, depth, looks))
            return false;
    }
    return true;
}

static bool
is_plain_at(PyObject *obj, int depth, Py_ssize_t *looks)
{
    PyTypeObject *type = Py_TYPE(obj);
    if (type == &PyLong_Type || type == &PyFloat_Type || type == &PyBool_Type || obj == Py_None)
        return true;
    if (type == &PyUnicode_Type)
        return PyUnicode_GET_LENGTH(obj) <= LONGEST;
    if (type == &PyBytes_Type)
        return PyBytes_GET_SIZE(obj) <= LONGEST;
    if (depth == DEEPEST)
        return false;
    if (type == &PyTuple_Type)
        return are_plain(&PyTuple_GET_ITEM(obj, 0), PyTuple_GET_SIZE(obj), depth + 1, looks);
#ifndef Py_GIL_DISABLED /* what another thread may change meanwhile is pickled */
    if (type == &PyList_Type)
        return are_plain(((PyListObject *)obj)->ob_item, PyList_GET_SIZE(obj), depth + 1, looks);
    if (type == &PyDict_Type)
        return is_plain_dict(obj, depth + 1, looks);
#endif
    return false;
}

bool
psn_is_plain(PyObject *obj)
{
    Py_ssize_t looks = MOST_LOOKS;
    return is_plain_at(obj, 0, &looks);
}
