/* The exception that is set, as an object, on every version of Python. */
#ifndef PROCESSION_EXCEPTIONS_H
#define PROCESSION_EXCEPTIONS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Takes the exception that is set, so that other code can run; give_back_exception sets it again.
 * (PyErr_Fetch is going away, its successors came with 3.12.) */
static inline PyObject *
take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

static inline void
give_back_exception(PyObject *exception)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exception);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exception)), exception,
                  PyException_GetTraceback(exception));
#endif
}

#endif
