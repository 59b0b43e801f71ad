/* Values that any process can read: built-in types and containers of them, nothing of a user's. */
#ifndef PROCESSION_PLAIN_H
#define PROCESSION_PLAIN_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

/* Whether obj is None, a bool, an int, a float, a str or bytes that is not long, or an exact tuple,
 * list or dict of such values, a few levels deep.  Runs no Python code. */
bool psn_is_plain(PyObject *obj);

#endif
