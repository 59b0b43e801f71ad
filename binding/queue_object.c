/* Queue: the core's queue as a Python type. */
#include <stdlib.h>
#include <string.h>

#include "binding.h"

#define WHAT "queue"

typedef struct {
    PyObject_HEAD
    psn_queue *queue; /* NULL: not made yet, or given back */
    bool closed;
    int users;        /* calls under way; the last one out of a closed queue gives it back */
    psn_inbox *left;  /* taken by a get_many that met a message it could not decode */
    size_t left_at;   /* the next of them */
    PyObject *left_error; /* that message's exception, to be raised before the next of them */
} psn_queue_object;

/* ---- entering and leaving ---- */

static int
enter(psn_queue_object *self)
{
    if (self->closed || self->queue == NULL)
        return psn_raise_closed_queue((PyObject *)self);
    self->users++;
    return 0;
}

static void
give_back(psn_queue_object *self)
{
    if (self->left != NULL) {
        psn_message message;
        while (psn_inbox_next(self->left, &self->left_at, &message))
            psn_message_discard(psn_queue_segment(self->queue), &message);
        psn_inbox_clear(self->left);
        PyMem_Free(self->left);
        self->left = NULL;
    }
    if (self->queue != NULL) {
        psn_queue_detach(self->queue);
        self->queue = NULL;
    }
}

static void
leave(psn_queue_object *self)
{
    if (--self->users == 0 && self->closed)
        give_back(self);
}

/* ---- making ---- */

static int
queue_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"maxsize", "descriptors", NULL};
    psn_queue_object *self = (psn_queue_object *)op;
    Py_ssize_t maxsize = 0;
    PyObject *descriptors = Py_None;
    int memory, doorbell;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|n$O:Queue", names, &maxsize, &descriptors))
        return -1;
    if (self->queue != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this Queue is made already");
        return -1;
    }
    psn_status status;
    if (descriptors == Py_None) {
        status = psn_queue_create(maxsize > 0 ? (uint64_t)maxsize : 0, &self->queue);
    } else {
        if (!PyArg_ParseTuple(descriptors, "ii:descriptors", &memory, &doorbell))
            return -1;
        status = psn_queue_attach(memory, doorbell, &self->queue);
    }
    if (status != PSN_OK) {
        psn_raise(status, WHAT);
        return -1;
    }
    self->closed = false;
    return 0;
}

static void
queue_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    give_back((psn_queue_object *)op);
    Py_CLEAR(((psn_queue_object *)op)->left_error);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- arguments: (..., block=True, timeout=None) ---- */

typedef struct {
    PyObject *first; /* the argument before block, if there is one */
    bool block;
    uint64_t deadline;
    int claim;
} psn_wait_arguments;

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

/* names: first argument's name or NULL, then the others; the last `keyword_only` of them only by
 * keyword. */
static int
parse(const char *function, const char *const *names, Py_ssize_t count, Py_ssize_t keyword_only,
      PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, psn_wait_arguments *into)
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

/* ---- putting ---- */

static psn_status
put_without_gil(psn_queue *queue, psn_outbox *outbox, size_t *done, uint64_t *first)
{
    psn_status status;
    Py_BEGIN_ALLOW_THREADS
    status = psn_queue_put(queue, outbox->messages + outbox->put, outbox->count - outbox->put,
                           PSN_SHORT_LOCK, done, first);
    Py_END_ALLOW_THREADS
    return status;
}

/* After PSN_FULL: 0 to try again, -1 with queue.Full or a signal handler's exception. */
static int
wait_for_room(psn_queue *queue, bool block, uint64_t deadline)
{
    psn_status status = PSN_TIMEOUT;
    if (block) {
        Py_BEGIN_ALLOW_THREADS
        status = psn_queue_wait_room(queue, deadline);
        Py_END_ALLOW_THREADS
    }
    if (status == PSN_OK)
        return 0;
    if (status == PSN_INTERRUPTED)
        return psn_after_signal();
    psn_raise(status, WHAT);
    return -1;
}

static int
put_all(psn_queue *queue, psn_outbox *outbox, const psn_wait_arguments *how, uint64_t *first)
{
    bool has_first = false;
    while (outbox->put < outbox->count || outbox->count == 0) {
        size_t done = 0;
        uint64_t index = 0;
        psn_status status =
            psn_queue_put(queue, outbox->messages + outbox->put, outbox->count - outbox->put,
                          PSN_TRY_LOCK, &done, &index);
        if (status == PSN_BUSY)
            status = put_without_gil(queue, outbox, &done, &index);
        outbox->put += done;
        if (!has_first && (done > 0 || outbox->count == 0)) {
            *first = index;
            has_first = true;
        }
        if (status == PSN_OK)
            return 0;
        if (status == PSN_BUSY) {
            if (psn_after_busy(how->block ? how->deadline : 0, PSN_FULL) < 0)
                return -1;
            continue;
        }
        if (status != PSN_FULL) {
            psn_raise(status, WHAT);
            return -1;
        }
        if (wait_for_room(queue, how->block, how->deadline) < 0)
            return -1;
    }
    return 0;
}

static PyObject *
put_object(psn_queue_object *self, const psn_wait_arguments *how)
{
    if (enter(self) < 0)
        return NULL;
    psn_outbox outbox;
    uint64_t first;
    psn_outbox_init(&outbox, psn_queue_segment(self->queue));
    int result = psn_outbox_one(&outbox, how->first);
    if (result == 0)
        result = put_all(self->queue, &outbox, how, &first);
    psn_outbox_clear(&outbox);
    leave(self);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
queue_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"obj", "block", "timeout"};
    psn_wait_arguments how = {.first = nargs > 0 ? args[0] : NULL,
                              .block = true, .deadline = PSN_FOREVER, .claim = -1};
    if ((nargs != 1 || kwnames != NULL) &&
        parse("put", names, 3, 0, args, nargs, kwnames, &how) < 0)
        return NULL;
    return put_object((psn_queue_object *)op, &how);
}

static PyObject *
queue_put_nowait(PyObject *op, PyObject *obj)
{
    psn_wait_arguments how = {.first = obj, .block = false, .deadline = 0, .claim = -1};
    return put_object((psn_queue_object *)op, &how);
}

/* queue.Full says how many of the messages are in the queue. */
static void
note_put(size_t put)
{
    PyObject *error = psn_error_fetch();
    PyObject *number = PyLong_FromSize_t(put);
    if (number == NULL || PyObject_SetAttrString(error, "put", number) < 0)
        PyErr_Clear();
    Py_XDECREF(number);
    psn_error_restore(error);
}

static PyObject *
queue_put_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"objs", "block", "timeout"};
    psn_queue_object *self = (psn_queue_object *)op;
    psn_wait_arguments how;
    if (parse("put_many", names, 3, 0, args, nargs, kwnames, &how) < 0)
        return NULL;
    PyObject *sequence = PySequence_Fast(how.first, "put_many() takes an iterable of objects");
    if (sequence == NULL)
        return NULL;
    if (enter(self) < 0) {
        Py_DECREF(sequence);
        return NULL;
    }
    psn_outbox outbox;
    uint64_t first = 0;
    psn_outbox_init(&outbox, psn_queue_segment(self->queue));
    int result = psn_outbox_many(&outbox, sequence);
    if (result == 0) {
        result = put_all(self->queue, &outbox, &how, &first);
        if (result < 0 && PyErr_ExceptionMatches(psn_module_state.full))
            note_put(outbox.put);
    }
    psn_outbox_clear(&outbox);
    leave(self);
    Py_DECREF(sequence);
    return result < 0 ? NULL : PyLong_FromUnsignedLongLong(first);
}

/* ---- getting ---- */

/* Takes 1 to max messages; -1 with queue.Empty or another exception. */
static int
take(psn_queue *queue, size_t max, const psn_wait_arguments *how, psn_inbox *inbox)
{
    for (;;) {
        psn_status status = psn_queue_take(queue, max, PSN_TRY_LOCK, how->claim, inbox);
        if (status == PSN_BUSY) {
            Py_BEGIN_ALLOW_THREADS
            status = psn_queue_take(queue, max, PSN_SHORT_LOCK, how->claim, inbox);
            Py_END_ALLOW_THREADS
        }
        if (status == PSN_OK)
            return 0;
        if (status == PSN_EMPTY && how->block) {
            Py_BEGIN_ALLOW_THREADS
            status = psn_queue_wait_message(queue, how->deadline);
            Py_END_ALLOW_THREADS
            if (status == PSN_OK)
                continue;
        }
        if (status == PSN_BUSY) {
            if (psn_after_busy(how->block ? how->deadline : 0, PSN_EMPTY) < 0)
                return -1;
            continue;
        }
        if (status == PSN_INTERRUPTED) {
            if (psn_after_signal() < 0)
                return -1;
            continue;
        }
        psn_raise(status == PSN_TIMEOUT ? PSN_EMPTY : status, WHAT);
        return -1;
    }
}

/* The next message that an earlier get_many took and left; NULL without an exception: none. */
static PyObject *
decode_left(psn_queue_object *self)
{
    psn_message message;
    if (self->left_error != NULL) {
        psn_error_restore(self->left_error);
        self->left_error = NULL;
        return NULL;
    }
    if (self->left == NULL)
        return NULL;
    if (psn_inbox_next(self->left, &self->left_at, &message))
        return psn_message_decode(psn_queue_segment(self->queue), &message);
    psn_inbox_clear(self->left);
    PyMem_Free(self->left);
    self->left = NULL;
    return NULL;
}

static PyObject *
get_one(psn_queue_object *self, const psn_wait_arguments *how)
{
    psn_inbox inbox;
    psn_message message;
    size_t cursor = 0;
    psn_inbox_init(&inbox);
    PyObject *obj = NULL;
    if (take(self->queue, 1, how, &inbox) == 0 && psn_inbox_next(&inbox, &cursor, &message))
        obj = psn_message_decode(psn_queue_segment(self->queue), &message);
    psn_inbox_clear(&inbox);
    return obj;
}

static PyObject *
get_object(psn_queue_object *self, const psn_wait_arguments *how)
{
    if (enter(self) < 0)
        return NULL;
    PyObject *obj = decode_left(self);
    if (obj == NULL && !PyErr_Occurred())
        obj = get_one(self, how);
    leave(self);
    return obj;
}

static PyObject *
queue_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"block", "timeout"};
    psn_wait_arguments how = {.first = NULL, .block = true, .deadline = PSN_FOREVER, .claim = -1};
    if ((nargs != 0 || kwnames != NULL) &&
        parse("get", names, 2, 0, args, nargs, kwnames, &how) < 0)
        return NULL;
    return get_object((psn_queue_object *)op, &how);
}

static PyObject *
queue_get_nowait(PyObject *op, PyObject *ignored)
{
    psn_wait_arguments how = {.first = NULL, .block = false, .deadline = 0, .claim = -1};
    (void)ignored;
    return get_object((psn_queue_object *)op, &how);
}

/* Keeps the records from `cursor` on for later calls; the inbox is the object's from then on. */
static void
keep_left(psn_queue_object *self, psn_inbox *inbox, size_t cursor)
{
    psn_inbox *left = PyMem_Malloc(sizeof *left);
    char *copy = left == NULL ? NULL : malloc(inbox->used > 0 ? inbox->used : 1);
    if (copy == NULL) { /* no memory: the messages are lost, their blocks are not */
        psn_message message;
        PyMem_Free(left);
        while (psn_inbox_next(inbox, &cursor, &message))
            psn_message_discard(psn_queue_segment(self->queue), &message);
        return;
    }
    psn_inbox_init(left);
    memcpy(copy, inbox->data, inbox->used);
    left->data = copy;
    left->capacity = left->used = inbox->used;
    left->count = inbox->count;
    self->left = left;
    self->left_at = cursor;
}

/* Decodes what is in the inbox. The exception of a message that cannot be decoded waits for its
 * turn: the messages before it are returned first, those after it come after. */
static PyObject *
decode_all(psn_queue_object *self, psn_inbox *inbox)
{
    PyObject *list = PyList_New(0);
    psn_message message;
    size_t cursor = 0;
    while (list != NULL && psn_inbox_next(inbox, &cursor, &message)) {
        PyObject *obj = psn_message_decode(psn_queue_segment(self->queue), &message);
        if (obj == NULL || PyList_Append(list, obj) < 0) {
            Py_XDECREF(obj);
            keep_left(self, inbox, cursor);
            if (PyList_GET_SIZE(list) > 0)
                self->left_error = psn_error_fetch();
            else
                Py_CLEAR(list);
            break;
        }
        Py_DECREF(obj);
    }
    return list;
}

static PyObject *
get_several(psn_queue_object *self, size_t max, const psn_wait_arguments *how)
{
    psn_inbox inbox;
    PyObject *list = NULL;
    psn_inbox_init(&inbox);
    if (take(self->queue, max, how, &inbox) == 0)
        list = decode_all(self, &inbox);
    psn_inbox_clear(&inbox);
    return list;
}

static PyObject *
queue_get_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"max_items", "block", "timeout", "claim"};
    psn_queue_object *self = (psn_queue_object *)op;
    psn_wait_arguments how;
    if (parse("get_many", names, 4, 1, args, nargs, kwnames, &how) < 0)
        return NULL;
    Py_ssize_t max = PyNumber_AsSsize_t(how.first, PyExc_OverflowError);
    if (max == -1 && PyErr_Occurred())
        return NULL;
    if (max < 1) {
        PyErr_Format(PyExc_ValueError, "get_many() takes at least 1 message, not %zd", max);
        return NULL;
    }
    if (enter(self) < 0)
        return NULL;
    PyObject *list = NULL;
    PyObject *obj = decode_left(self);
    if (obj != NULL) {
        list = PyList_New(1);
        if (list != NULL)
            PyList_SET_ITEM(list, 0, obj);
        else
            Py_DECREF(obj);
    } else if (!PyErr_Occurred()) {
        list = get_several(self, (size_t)max, &how);
    }
    leave(self);
    return list;
}

/* ---- what it holds ---- */

static PyObject *
queue_count(PyObject *op, uint64_t (*read)(const psn_queue *))
{
    psn_queue_object *self = (psn_queue_object *)op;
    if (enter(self) < 0)
        return NULL;
    uint64_t count = read(self->queue);
    leave(self);
    return PyLong_FromUnsignedLongLong(count);
}

static PyObject *
queue_qsize(PyObject *op, PyObject *ignored)
{
    (void)ignored;
    return queue_count(op, psn_queue_size);
}

static PyObject *
queue_messages_put(PyObject *op, void *closure)
{
    (void)closure;
    return queue_count(op, psn_queue_put_count);
}

static PyObject *
queue_messages_taken(PyObject *op, void *closure)
{
    (void)closure;
    return queue_count(op, psn_queue_taken_count);
}

static PyObject *
queue_maxsize(PyObject *op, void *closure)
{
    (void)closure;
    return queue_count(op, psn_queue_max_items);
}

static bool
has_left(const psn_queue_object *self)
{
    return self->left_error != NULL ||
           (self->left != NULL && self->left_at < self->left->used);
}

static PyObject *
queue_empty(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    (void)ignored;
    if (enter(self) < 0)
        return NULL;
    bool empty = psn_queue_size(self->queue) == 0 && !has_left(self);
    leave(self);
    return PyBool_FromLong(empty);
}

static PyObject *
queue_full(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    (void)ignored;
    if (enter(self) < 0)
        return NULL;
    uint64_t most = psn_queue_max_items(self->queue);
    bool full = most > 0 && psn_queue_size(self->queue) >= most;
    leave(self);
    return PyBool_FromLong(full);
}

static int
claim_argument(PyObject *arg, unsigned *claim)
{
    psn_wait_arguments how = {.first = NULL, .block = true, .deadline = 0, .claim = -1};
    if (read_argument(&how, "claim", arg) < 0)
        return -1;
    if (how.claim < 0) {
        PyErr_SetString(PyExc_TypeError, "claim is a number, not None");
        return -1;
    }
    *claim = (unsigned)how.claim;
    return 0;
}

static PyObject *
queue_claimed(PyObject *op, PyObject *arg)
{
    psn_queue_object *self = (psn_queue_object *)op;
    unsigned claim;
    uint64_t first, count;
    if (claim_argument(arg, &claim) < 0 || enter(self) < 0)
        return NULL;
    psn_queue_claimed(self->queue, claim, &first, &count);
    leave(self);
    return Py_BuildValue("KK", (unsigned long long)first, (unsigned long long)count);
}

static PyObject *
queue_clear_claim(PyObject *op, PyObject *arg)
{
    psn_queue_object *self = (psn_queue_object *)op;
    unsigned claim;
    if (claim_argument(arg, &claim) < 0 || enter(self) < 0)
        return NULL;
    psn_queue_clear_claim(self->queue, claim);
    leave(self);
    Py_RETURN_NONE;
}

/* ---- joining ---- */

static PyObject *
queue_task_done(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    (void)ignored;
    if (enter(self) < 0)
        return NULL;
    psn_status status = psn_queue_task_done(self->queue);
    leave(self);
    if (status != PSN_OK)
        return psn_raise(status, WHAT);
    Py_RETURN_NONE;
}

static PyObject *
queue_join(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"timeout", NULL};
    psn_queue_object *self = (psn_queue_object *)op;
    PyObject *timeout = Py_None;
    uint64_t deadline;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:join", names, &timeout) ||
        psn_deadline(timeout, &deadline) < 0 || enter(self) < 0)
        return NULL;
    psn_status status;
    do {
        Py_BEGIN_ALLOW_THREADS
        status = psn_queue_wait_all_done(self->queue, deadline);
        Py_END_ALLOW_THREADS
    } while (status == PSN_INTERRUPTED && psn_after_signal() == 0);
    leave(self);
    if (status == PSN_INTERRUPTED)
        return NULL;
    return PyBool_FromLong(status == PSN_OK);
}

/* ---- closing, descriptors, memory ---- */

static PyObject *
queue_close(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    (void)ignored;
    self->closed = true;
    if (self->users == 0)
        give_back(self);
    Py_RETURN_NONE;
}

static PyObject *
queue_closed(PyObject *op, void *closure)
{
    psn_queue_object *self = (psn_queue_object *)op;
    (void)closure;
    return PyBool_FromLong(self->closed || self->queue == NULL);
}

static PyObject *
queue_descriptors(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    int memory, doorbell;
    (void)ignored;
    if (enter(self) < 0)
        return NULL;
    psn_queue_descriptors(self->queue, &memory, &doorbell);
    leave(self);
    return Py_BuildValue("ii", memory, doorbell);
}

static PyObject *
queue_fileno(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    int memory, doorbell;
    (void)ignored;
    if (enter(self) < 0)
        return NULL;
    psn_status status = psn_queue_watch(self->queue);
    psn_queue_descriptors(self->queue, &memory, &doorbell);
    leave(self);
    return status == PSN_OK ? PyLong_FromLong(doorbell) : psn_raise(status, WHAT);
}

static PyObject *
queue_reclaim(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    psn_status status;
    uint64_t freed;
    (void)ignored;
    if (enter(self) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = psn_segment_reclaim(psn_queue_segment(self->queue), &freed);
    Py_END_ALLOW_THREADS
    leave(self);
    return status == PSN_OK ? PyLong_FromUnsignedLongLong(freed) : psn_raise(status, WHAT);
}

static PyObject *
queue_memory(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    (void)ignored;
    if (enter(self) < 0)
        return NULL;
    PyObject *result = psn_memory_dict(psn_queue_segment(self->queue));
    leave(self);
    return result;
}

static PyMethodDef queue_methods[] = {
    {"put", (PyCFunction)(void (*)(void))queue_put, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("put(obj, block=True, timeout=None)\n\nPut obj; when it returns the message is there.\n"
               "Raises queue.Full when there is no room (within timeout seconds).")},
    {"put_nowait", queue_put_nowait, METH_O, PyDoc_STR("put(obj, block=False)")},
    {"put_many", (PyCFunction)(void (*)(void))queue_put_many, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("put_many(objs, block=True, timeout=None) -> index of the first\n\nPut all, in "
               "order; queue.Full has the number that were put as `put`.")},
    {"get", (PyCFunction)(void (*)(void))queue_get, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("get(block=True, timeout=None)\n\nTake the oldest message. Raises queue.Empty when "
               "there is none (within timeout seconds).")},
    {"get_nowait", queue_get_nowait, METH_NOARGS, PyDoc_STR("get(block=False)")},
    {"get_many", (PyCFunction)(void (*)(void))queue_get_many, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("get_many(max_items, block=True, timeout=None, *, claim=None) -> list\n\nTake at "
               "least one and at most max_items messages that are there.")},
    {"claimed", queue_claimed, METH_O,
     PyDoc_STR("claimed(claim) -> (first index, count) of the last range taken under it")},
    {"clear_claim", queue_clear_claim, METH_O, PyDoc_STR("Forget the range of a claim.")},
    {"qsize", queue_qsize, METH_NOARGS, PyDoc_STR("Number of messages.")},
    {"empty", queue_empty, METH_NOARGS, PyDoc_STR("Is there no message?")},
    {"full", queue_full, METH_NOARGS, PyDoc_STR("Are there maxsize messages?")},
    {"task_done", queue_task_done, METH_NOARGS, PyDoc_STR("Report one message as done.")},
    {"join", (PyCFunction)(void (*)(void))queue_join, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("join(timeout=None) -> bool\n\nWait until every message is reported as done.")},
    {"close", queue_close, METH_NOARGS, PyDoc_STR("Close in this process.")},
    {"fileno", queue_fileno, METH_NOARGS,
     PyDoc_STR("A descriptor that is readable while there are messages.")},
    {"descriptors", queue_descriptors, METH_NOARGS, PyDoc_STR("(memory, doorbell)")},
    {"reclaim", queue_reclaim, METH_NOARGS,
     PyDoc_STR("Free what dead processes held and what is unused; the number of bytes.")},
    {"memory", queue_memory, METH_NOARGS, PyDoc_STR("What the queue's memory is used for, in bytes.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef queue_properties[] = {
    {"closed", queue_closed, NULL, PyDoc_STR("Is it closed in this process?"), NULL},
    {"maxsize", queue_maxsize, NULL, PyDoc_STR("Most messages at a time; 0 = no limit."), NULL},
    {"messages_put", queue_messages_put, NULL, PyDoc_STR("Messages ever put."), NULL},
    {"messages_taken", queue_messages_taken, NULL, PyDoc_STR("Messages ever taken."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot queue_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A queue between processes, in anonymous shared memory.")},
    {Py_tp_new, PSN_SLOT(PyType_GenericNew)},
    {Py_tp_init, PSN_SLOT(queue_init)},
    {Py_tp_dealloc, PSN_SLOT(queue_dealloc)},
    {Py_tp_methods, queue_methods},
    {Py_tp_getset, queue_properties},
    {0, NULL},
};

PyType_Spec psn_queue_spec = {
    .name = "procession._native.Queue",
    .basicsize = sizeof(psn_queue_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = queue_slots,
};
