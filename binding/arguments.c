/* Parsing of (..., block=True, timeout=None): fast calls without a tuple and a dict. */
#include "arguments.h"

#include <string.h>

static int
read_argument(psn_wait_arguments *into, const char *name, PyObject *value)
{
    if (strcmp(name, "block") == 0) {
        int truth = PyObject_IsTrue(value);
        into->block = truth != 0;
        return truth < 0 ? -1 : 0;
    }
    if (strcmp(name, "timeout") == 0)
        return psn_deadline(value, &into->deadline);
    if (value == Py_None)
        return 0; /* claim */
    long claim = PyLong_AsLong(value);
    if (claim == -1 && PyErr_Occurred())
        return -1;
    if (claim < 0 || claim >= PSN_CLAIMS) {
        PyErr_Format(PyExc_ValueError, "claim is 0 to %d, not %ld", PSN_CLAIMS - 1, claim);
        return -1;
    }
    into->claim = (int)claim;
    return 0;
}

int
psn_parse_wait_arguments(const char *function, const char *const *names, Py_ssize_t count,
                         Py_ssize_t keyword_only, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames, psn_wait_arguments *into)
{
    PyObject *values[4] = {NULL, NULL, NULL, NULL};
    Py_ssize_t keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs > count - keyword_only) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd positional arguments (%zd given)",
                     function, count - keyword_only, nargs);
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++)
        values[i] = args[i];
    for (Py_ssize_t k = 0; k < keywords; k++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, k);
        Py_ssize_t i = 0;
        while (i < count && PyUnicode_CompareWithASCIIString(keyword, names[i]) != 0)
            i++;
        if (i == count || values[i] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got %s argument '%U'", function,
                         i == count ? "an unexpected keyword" : "multiple values for", keyword);
            return -1;
        }
        values[i] = args[nargs + k];
    }
    *into = (psn_wait_arguments){.first = NULL, .block = true, .deadline = PSN_FOREVER, .claim = -1};
    for (Py_ssize_t i = 0; i < count; i++) {
        bool is_first = strcmp(names[i], "block") != 0 && strcmp(names[i], "timeout") != 0 &&
                        strcmp(names[i], "claim") != 0;
        if (is_first) {
            if (values[i] == NULL) {
                PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", function,
                             names[i]);
                return -1;
            }
            into->first = values[i];
        } else if (values[i] != NULL && read_argument(into, names[i], values[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

int
psn_parse_claim(PyObject *value, unsigned *claim)
{
    psn_wait_arguments how = {.first = NULL, .block = true, .deadline = 0, .claim = -1};
    if (read_argument(&how, "claim", value) < 0)
        return -1;
    if (how.claim < 0) {
        PyErr_SetString(PyExc_TypeError, "claim is a number, not None");
        return -1;
    }
    *claim = (unsigned)how.claim;
    return 0;
}
