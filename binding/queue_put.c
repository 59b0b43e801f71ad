/* Queue.put and its kin. */
#include "queue_object.h"

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
        status = psn_after_look(psn_queue_wait_room(queue, psn_next_look(deadline)), deadline);
        Py_END_ALLOW_THREADS
    }
    if (status == PSN_OK)
        return 0;
    if (status == PSN_INTERRUPTED)
        return psn_after_signal();
    psn_raise(status, PSN_QUEUE_WHAT);
    return -1;
}

/* One try for what is left; *first of the first try that put something. */
static psn_status
put_rest(psn_queue *queue, psn_outbox *outbox, bool without_gil, bool *has_first, uint64_t *first)
{
    size_t done = 0;
    uint64_t index = 0;
    psn_status status =
        without_gil ? put_without_gil(queue, outbox, &done, &index)
                    : psn_queue_put(queue, outbox->messages + outbox->put,
                                    outbox->count - outbox->put, PSN_TRY_LOCK, &done, &index);
    outbox->put += done;
    if (!*has_first && (done > 0 || outbox->count == 0)) {
        *first = index;
        *has_first = true;
    }
    return status;
}

static int
put_all(psn_queue *queue, psn_outbox *outbox, const psn_wait_arguments *how, uint64_t *first)
{
    bool has_first = false;
    while (outbox->put < outbox->count || outbox->count == 0) {
        psn_status status = put_rest(queue, outbox, false, &has_first, first);
        if (status == PSN_BUSY)
            status = put_rest(queue, outbox, true, &has_first, first);
        if (status == PSN_OK)
            return 0;
        if (status == PSN_BUSY) {
            if (psn_after_busy(how->block ? how->deadline : 0, PSN_FULL) < 0)
                return -1;
            continue;
        }
        if (status != PSN_FULL) {
            psn_raise(status, PSN_QUEUE_WHAT);
            return -1;
        }
        if (wait_for_room(queue, how->block, how->deadline) < 0)
            return -1;
    }
    return 0;
}

static void
count_put(psn_queue_object *self, const psn_outbox *outbox)
{
    for (size_t i = 0; i < outbox->put; i++)
        self->bytes_put += psn_message_bytes(&outbox->messages[i]);
}

int
psn_queue_put_object(psn_queue_object *self, const psn_wait_arguments *how)
{
    if (psn_queue_enter(self) < 0)
        return -1;
    psn_outbox outbox;
    uint64_t first;
    psn_outbox_init(&outbox, psn_queue_segment(self->queue));
    int result = psn_outbox_one(&outbox, how->first);
    if (result == 0)
        result = put_all(self->queue, &outbox, how, &first);
    count_put(self, &outbox);
    psn_outbox_clear(&outbox);
    psn_queue_leave(self);
    return result;
}

static PyObject *
put_object(PyObject *op, const psn_wait_arguments *how)
{
    if (psn_queue_put_object((psn_queue_object *)op, how) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *
psn_queue_py_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"obj", "block", "timeout"};
    psn_wait_arguments how = {.first = nargs > 0 ? args[0] : NULL,
                              .block = true, .deadline = PSN_FOREVER, .claim = -1};
    if ((nargs != 1 || kwnames != NULL) &&
        psn_parse_wait_arguments("put", names, 3, 0, args, nargs, kwnames, &how) < 0)
        return NULL;
    return put_object(op, &how);
}

PyObject *
psn_queue_py_put_nowait(PyObject *op, PyObject *obj)
{
    psn_wait_arguments how = {.first = obj, .block = false, .deadline = 0, .claim = -1};
    return put_object(op, &how);
}

/* queue.Full says how many of the messages are in the queue. */
static void
note_put(size_t put)
{
    PyObject *error = take_exception();
    PyObject *number = PyLong_FromSize_t(put);
    if (number == NULL || PyObject_SetAttrString(error, "put", number) < 0)
        PyErr_Clear();
    Py_XDECREF(number);
    give_back_exception(error);
}

PyObject *
psn_queue_py_put_many(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"objs", "block", "timeout"};
    psn_queue_object *self = (psn_queue_object *)op;
    psn_wait_arguments how;
    if (psn_parse_wait_arguments("put_many", names, 3, 0, args, nargs, kwnames, &how) < 0)
        return NULL;
    PyObject *sequence = PySequence_Fast(how.first, "put_many() takes an iterable of objects");
    if (sequence == NULL)
        return NULL;
    if (psn_queue_enter(self) < 0) {
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
    count_put(self, &outbox);
    psn_outbox_clear(&outbox);
    psn_queue_leave(self);
    Py_DECREF(sequence);
    return result < 0 ? NULL : PyLong_FromUnsignedLongLong(first);
}
