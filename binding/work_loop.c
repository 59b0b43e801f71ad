/* WorkLoop: what a pool's worker does between its messages, and between the tasks of one.
 *
 * The worker itself is a Python class over this (pool/worker.py).  Here is what happens for every
 * message and every task; what happens now and then is a method of that class, called by name:
 *
 *   may_begin(ticket) -> bool              the parent has an order: may this message be begun?
 *   leave_if_told()                        the parent has an order: exit if it is to leave
 *   has_outgrown() -> bool                 is this process too big? asked only of a bounded worker
 *   learn(ticket, recipe) -> Method, None  a function not yet known; None: refused, and told
 *   open(ticket, data, buffers)            the items of a parcel; None: refused, and told
 *   send(ticket, first, values, failures, seconds)   results that are not plain, or failures
 *   send_failure(ticket, offset, error, seconds)     one exception
 *   pack(error) -> bytes                   an exception that travels with the results around it
 *   leave_forked()                         a task forked, and its child came back from the task
 *
 * The messages are described in pool/mail.py, the words in pool/board.py.  Python code runs only
 * within tasks (work_tasks.c) and in these methods.
 */
#include "work_loop.h"

#include "queue_object.h"
#include "references.h"

#include <structmember.h> /* wants Python.h before it */

enum { IDLE = -1 };

/* Work after which the memory in use is looked at: time enough to take some megabytes. */
static const int64_t LOOK_NANOSECONDS = 1000000;

/* ---- one message ---- */

/* The items of a message, as a list or tuple; NULL without an exception: they were refused. */
static PyObject *
items_of(psn_work_loop *self, PyObject *message)
{
    if (PyTuple_GET_SIZE(message) == 3)
        return PyTuple_GetSlice(message, 2, 3);
    if (PyTuple_GET_SIZE(message) == 4)
        return PySequence_Fast(PyTuple_GET_ITEM(message, 3), "damaged message: no items");
    uint64_t begun = psn_now();
    PyObject *items =
        PyObject_CallMethod((PyObject *)self, "open", "OOO", PyTuple_GET_ITEM(message, 0),
                            PyTuple_GET_ITEM(message, 3), PyTuple_GET_ITEM(message, 4));
    words(self)[PACKING] += (int64_t)(psn_now() - begun);
    PyObject *sequence = NULL;
    if (items != NULL && items != Py_None)
        sequence = PySequence_Fast(items, "damaged message: no items");
    Py_XDECREF(items);
    return sequence;
}

/* The Method of a recipe, a new reference; NULL without an exception: it was refused. */
static PyObject *
method_of(psn_work_loop *self, PyObject *ticket, PyObject *recipe)
{
    PyObject *method = PyDict_GetItemWithError(self->methods, recipe);
    if (method != NULL || PyErr_Occurred())
        return Py_XNewRef(method);
    method = PyObject_CallMethod((PyObject *)self, "learn", "OO", ticket, recipe);
    if (method == Py_None)
        Py_CLEAR(method);
    return method;
}

static int
run_message(psn_work_loop *self, PyObject *message, PyObject *method)
{
    psn_work what = {.ticket = PyTuple_GET_ITEM(message, 0),
                     .function = PyTuple_GET_ITEM(method, 0),
                     .kind = PyLong_AsLong(PyTuple_GET_ITEM(method, 1)),
                     .eager = PyTuple_GET_ITEM(method, 2) == Py_True,
                     .timed = PyTuple_GET_ITEM(method, 3) == Py_True};
    what.items = items_of(self, message);
    if (what.items == NULL)
        return PyErr_Occurred() ? -1 : 0;
    int status = what.eager ? psn_work_eagerly(self, &what) : psn_work_together(self, &what);
    Py_DECREF(what.items);
    return status;
}

static int
execute(psn_work_loop *self, PyObject *message)
{
    if (!PyTuple_CheckExact(message) || PyTuple_GET_SIZE(message) < 3 ||
        PyTuple_GET_SIZE(message) > 5) {
        PyErr_Format(PyExc_RuntimeError, "not a message of a pool: %R", message);
        return -1;
    }
    if (words(self)[ORDER]) {
        PyObject *may = PyObject_CallMethod((PyObject *)self, "may_begin", "O",
                                            PyTuple_GET_ITEM(message, 0));
        bool begin = may == Py_True;
        if (drop(may) < 0)
            return -1;
        if (!begin)
            return 0;
    }
    PyObject *method = method_of(self, PyTuple_GET_ITEM(message, 0), PyTuple_GET_ITEM(message, 1));
    if (method == NULL)
        return PyErr_Occurred() ? -1 : 0;
    int status = run_message(self, message, method);
    Py_DECREF(method);
    return status;
}

/* ---- the loop ---- */

/* What was sent so far, from here or by the methods of the subclass. */
static void
note_bytes_out(psn_work_loop *self)
{
    words(self)[BYTES_OUT] = (int64_t)((psn_queue_object *)self->results)->bytes_put;
}

/* NULL without an exception: the queue is gone. */
static PyObject *
next_message(psn_work_loop *self)
{
    const psn_wait_arguments how = {
        .first = NULL, .block = true, .deadline = PSN_FOREVER, .claim = self->slot};
    psn_queue_object *tasks = (psn_queue_object *)self->tasks;
    uint64_t begun = psn_now();
    words(self)[PLACE] = IDLE;
    note_bytes_out(self);
    PyObject *message = psn_queue_take_object(tasks, &how);
    words(self)[WAITING] += (int64_t)(psn_now() - begun);
    words(self)[BYTES_IN] = (int64_t)tasks->bytes_taken;
    if (message == NULL &&
        (PyErr_ExceptionMatches(PyExc_OSError) || PyErr_ExceptionMatches(PyExc_EOFError)))
        PyErr_Clear();
    return message;
}

/* Whether the worker is to end because of its memory; 1 for yes, -1 with an exception. */
static int
has_had_enough(psn_work_loop *self)
{
    int64_t busy = words(self)[WORKING] + words(self)[PACKING];
    if (busy - self->looked_at < LOOK_NANOSECONDS)
        return 0;
    self->looked_at = busy;
    PyObject *outgrown = PyObject_CallMethod((PyObject *)self, "has_outgrown", NULL);
    int status = outgrown == NULL ? -1 : outgrown == Py_True;
    Py_XDECREF(outgrown);
    return status;
}

static PyObject *
loop_run(PyObject *op, PyObject *most_messages)
{
    psn_work_loop *self = (psn_work_loop *)op;
    Py_ssize_t most = PY_SSIZE_T_MAX;
    if (most_messages != Py_None) {
        most = PyNumber_AsSsize_t(most_messages, PyExc_OverflowError);
        if (most == -1 && PyErr_Occurred())
            return NULL;
    }
    self->forks = psn_fork_count();
    for (Py_ssize_t done = 0; done < most; done++) {
        PyObject *message = next_message(self);
        if (message == NULL && PyErr_Occurred())
            return NULL;
        if (message == NULL || message == Py_None) {
            Py_XDECREF(message);
            break;
        }
        int status = execute(self, message);
        Py_DECREF(message);
        if (status == 0 && self->bounded)
            status = has_had_enough(self);
        if (status < 0)
            return NULL;
        if (status > 0)
            break;
    }
    words(self)[PLACE] = IDLE;
    note_bytes_out(self);
    Py_RETURN_NONE;
}

static int
loop_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    psn_work_loop *self = (psn_work_loop *)op;
    PyTypeObject *queue = psn_module_state.queue_type;
    PyObject *tasks, *results, *methods, *board;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "WorkLoop() takes no keyword arguments");
        return -1;
    }
    if (!PyArg_ParseTuple(args, "O!O!O!Oi:WorkLoop", queue, &tasks, queue, &results, &PyDict_Type,
                          &methods, &board, &self->slot))
        return -1;
    if (self->board.obj != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "WorkLoop.__init__() was called before");
        return -1;
    }
    if (PyObject_GetBuffer(board, &self->board, PyBUF_WRITABLE) < 0)
        return -1;
    if (self->board.len < (Py_ssize_t)(WORDS * sizeof(int64_t))) {
        PyBuffer_Release(&self->board);
        PyErr_Format(PyExc_ValueError, "WorkLoop() needs %d words of 8 bytes", WORDS);
        return -1;
    }
    psn_queue_object *pair[] = {(psn_queue_object *)tasks, (psn_queue_object *)results};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(pair); i++) {
        if (psn_queue_enter(pair[i]) < 0) {
            while (i-- > 0)
                psn_queue_leave(pair[i]);
            PyBuffer_Release(&self->board);
            return -1;
        }
    }
    psn_queue_pair(pair[0]->queue, pair[1]->queue); /* between tasks it waits at the first */
    psn_queue_leave(pair[1]);
    psn_queue_leave(pair[0]);
    self->tasks = Py_NewRef(tasks);
    self->results = Py_NewRef(results);
    self->methods = Py_NewRef(methods);
    return 0;
}

#define REFERENCES(EACH) EACH(tasks) EACH(results) EACH(methods)

PSN_TRAVERSE_AND_CLEAR(loop, psn_work_loop, REFERENCES)

static void
loop_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    loop_clear(op);
    PyBuffer_Release(&((psn_work_loop *)op)->board);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef loop_methods[] = {
    {"run", loop_run, METH_O,
     PyDoc_STR("run(most_messages)\n\nWork until a stop message comes or most_messages are done; "
               "None: without end.")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef loop_members[] = {
    {"interruptible", T_BOOL, offsetof(psn_work_loop, interruptible), 0,
     PyDoc_STR("Whether a task of the user's runs.")},
    {"bounded", T_BOOL, offsetof(psn_work_loop, bounded), 0,
     PyDoc_STR("Whether the process may have so much memory only.")},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot loop_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("WorkLoop(tasks, results, methods, words, slot)")},
    {Py_tp_new, PSN_SLOT(PyType_GenericNew)},
    {Py_tp_init, PSN_SLOT(loop_init)},
    {Py_tp_traverse, PSN_SLOT(loop_traverse)},
    {Py_tp_clear, PSN_SLOT(loop_clear)},
    {Py_tp_dealloc, PSN_SLOT(loop_dealloc)},
    {Py_tp_methods, loop_methods},
    {Py_tp_members, loop_members},
    {0, NULL},
};

PyType_Spec psn_work_loop_spec = {
    .name = "procession._native.WorkLoop",
    .basicsize = sizeof(psn_work_loop),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = loop_slots,
};
