/* The arguments (..., block=True, timeout=None) that many methods share. */
#ifndef PROCESSION_ARGUMENTS_H
#define PROCESSION_ARGUMENTS_H

#include "binding.h"

typedef struct {
    PyObject *first; /* the argument before block, if there is one */
    bool block;
    uint64_t deadline;
    int claim; /* -1 = none */
} psn_wait_arguments;

/* names: first argument's name if there is one, then block, timeout and claim as far as the method
 * has them; the last `keyword_only` of them only by keyword. 0, or -1 with TypeError. */
int psn_parse_wait_arguments(const char *function, const char *const *names, Py_ssize_t count,
                             Py_ssize_t keyword_only, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames, psn_wait_arguments *into);
/* A claim's number; -1 with TypeError or ValueError. */
int psn_parse_claim(PyObject *value, unsigned *claim);

#endif
