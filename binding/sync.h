/* What the types of locks and their kin share: a psn_sync, and how it comes to other processes. */
#ifndef PROCESSION_BINDING_SYNC_H
#define PROCESSION_BINDING_SYNC_H

#include "binding.h"

/* Every such object begins with this. */
typedef struct {
    PyObject_HEAD
    psn_sync *sync; /* NULL: not made yet */
} psn_sync_object;

/* Makes it, or opens the one at place = (Cells, number) when that is not None; -1 with an
 * exception. */
int psn_sync_make(psn_sync_object *self, psn_sync_kind kind, uint64_t value, uint64_t max,
                  PyObject *place);
/* Raises ValueError for an object whose __init__ was never called; -1. */
int psn_sync_check(psn_sync_object *self);
void psn_sync_dealloc(PyObject *op);
PyObject *psn_sync_raise(psn_status status);
/* The getter of `place`. */
PyObject *psn_sync_place(PyObject *op, void *closure);
#define PSN_SYNC_PLACE                                                                            \
    {"place", psn_sync_place, NULL,                                                               \
     PyDoc_STR("(cells, number): where other processes find it."), NULL}

#endif
