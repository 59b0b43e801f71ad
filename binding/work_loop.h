/* The state of a worker's loop, for the files that it is made of:
 *
 *   work_loop.c    the messages, one after the other, and the Python type
 *   work_tasks.c   the tasks of one message, and what is sent of their results
 */
#ifndef PROCESSION_WORK_LOOP_H
#define PROCESSION_WORK_LOOP_H

#include "binding.h"

/* The worker's words on the board, see pool/board.py. */
enum { PLACE, SINCE, TASKS, WORKING, WAITING, PACKING, BYTES_IN, BYTES_OUT, ORDER, WORDS };

typedef struct {
    PyObject_HEAD
    PyObject *tasks, *results; /* queues */
    PyObject *methods;         /* recipe -> Method */
    Py_buffer board;
    int slot;
    unsigned forks;     /* psn_fork_count() of this process */
    bool interruptible; /* a task runs */
    bool bounded;       /* has a limit of memory */
    int64_t looked_at;  /* busy time when its memory was looked at last */
} psn_work_loop;

/* A message being worked on.  All references are borrowed, but for items. */
typedef struct {
    PyObject *ticket, *function, *items;
    long kind;
    bool eager, timed;
} psn_work;

static inline volatile int64_t *
words(const psn_work_loop *self)
{
    return self->board.buf;
}

/* The end of a call whose result says nothing: 0, or -1 with its exception. */
static inline int
drop(PyObject *result)
{
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* ---- work_tasks.c ---- */

/* Runs the tasks, and sends each result as soon as it is there. */
int psn_work_eagerly(psn_work_loop *self, const psn_work *what);
/* Runs the tasks, and sends their results together, now and then. */
int psn_work_together(psn_work_loop *self, const psn_work *what);

#endif
