/* The tasks in the hands of a pool's thread, one after the other.
 *
 * As list(map(function, items)), but a StopIteration that a task raises is an exception as any
 * other and does not end the loop unseen, results are in the list as they come, and other threads
 * get their turn although nothing here runs bytecode.
 */
#include "binding.h"

enum { TASKS_A_TURN = 1 << 16 };

const char psn_run_tasks_doc[] =
    "run_tasks(function, items, values, spread)\n\n"
    "Append function(item) to values, or function(*item), for each item.  Raises what a task\n"
    "raises; the iterator then stands behind that task.";

static PyObject *
run_task(PyObject *function, PyObject *item, bool spread)
{
    if (!spread)
        return PyObject_CallOneArg(function, item);
    PyObject *arguments = PySequence_Tuple(item);
    PyObject *value = NULL;
    if (arguments != NULL)
        value = PyObject_Vectorcall(function, &PyTuple_GET_ITEM(arguments, 0),
                                    (size_t)PyTuple_GET_SIZE(arguments), NULL);
    Py_XDECREF(arguments);
    return value;
}

PyObject *
psn_py_run_tasks(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    if (nargs != 4 || !PyIter_Check(args[1]) || !PyList_CheckExact(args[2])) {
        PyErr_SetString(PyExc_TypeError, "run_tasks(function, items, values, spread)");
        return NULL;
    }
    PyObject *function = args[0], *items = args[1], *values = args[2], *item;
    bool spread = args[3] == Py_True;
    iternextfunc next = Py_TYPE(items)->tp_iternext;
    for (unsigned run = 1; (item = next(items)) != NULL; run++) {
        PyObject *value = run_task(function, item, spread);
        Py_DECREF(item);
        int status = value == NULL ? -1 : PyList_Append(values, value);
        Py_XDECREF(value);
        if (status < 0)
            return NULL;
        if (run % TASKS_A_TURN == 0) {
            Py_BEGIN_ALLOW_THREADS
            Py_END_ALLOW_THREADS
        }
    }
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_StopIteration))
            return NULL;
        PyErr_Clear();
    }
    Py_RETURN_NONE;
}
