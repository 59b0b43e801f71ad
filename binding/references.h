/* For a type whose objects refer to others: what the collector wants of it, from a list of members.
 *
 *     #define REFERENCES(EACH) EACH(line) EACH(failure)
 *     PSN_TRAVERSE_AND_CLEAR(iterator, psn_result_iterator, REFERENCES)
 *     PSN_DEALLOC(iterator)
 *
 * defines iterator_traverse, iterator_clear and iterator_dealloc, for the slots of those names.
 */
#ifndef PROCESSION_REFERENCES_H
#define PROCESSION_REFERENCES_H

#include "binding.h"

#define PSN_VISIT(member) Py_VISIT(self->member);
#define PSN_CLEAR(member) Py_CLEAR(self->member);

#define PSN_TRAVERSE_AND_CLEAR(prefix, object_type, REFERENCES)                                    \
    static int prefix##_traverse(PyObject *op, visitproc visit, void *arg)                         \
    {                                                                                              \
        object_type *self = (object_type *)op;                                                     \
        Py_VISIT(Py_TYPE(self)); /* its type is on the heap, and has such a reference of each */   \
        REFERENCES(PSN_VISIT)                                                                      \
        return 0;                                                                                  \
    }                                                                                              \
                                                                                                   \
    static int prefix##_clear(PyObject *op)                                                        \
    {                                                                                              \
        object_type *self = (object_type *)op;                                                     \
        REFERENCES(PSN_CLEAR)                                                                      \
        return 0;                                                                                  \
    }

/* For an object that has nothing but such members to give back. */
#define PSN_DEALLOC(prefix)                                                                        \
    static void prefix##_dealloc(PyObject *op)                                                     \
    {                                                                                              \
        PyTypeObject *type = Py_TYPE(op);                                                          \
        PyObject_GC_UnTrack(op);                                                                   \
        prefix##_clear(op);                                                                        \
        type->tp_free(op);                                                                         \
        Py_DECREF(type);                                                                           \
    }

#endif
