/* The line in which results stand until somebody takes them; see result_line.c. */
#ifndef PROCESSION_RESULT_LINE_H
#define PROCESSION_RESULT_LINE_H

#include "binding.h"

bool psn_is_result_line(PyObject *obj);
/* Puts the result of a task in; -1 with an exception.  Keeps a reference of its own. */
int psn_result_line_put(PyObject *line, Py_ssize_t index, PyObject *value);
/* The first result; NULL, without an exception, when none is there, when it is of type except, or when
 * room is to be looked for after it. */
PyObject *psn_result_line_take(PyObject *line, const PyTypeObject *except);

#endif
