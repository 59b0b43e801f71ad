/* Queue: the core's queue as a Python type. */
#include "queue_object.h"

/* ---- entering and leaving ---- */

int
psn_queue_enter(psn_queue_object *self)
{
    if (self->users.closed || self->queue == NULL)
        return psn_raise_closed_queue((PyObject *)self);
    psn_users_enter(&self->users);
    return 0;
}

static void
give_back(psn_queue_object *self)
{
    psn_queue_discard_left(self);
    if (self->queue != NULL) {
        psn_queue_detach(self->queue);
        self->queue = NULL;
    }
}

void
psn_queue_leave(psn_queue_object *self)
{
    if (psn_users_leave(&self->users))
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
        psn_raise(status, PSN_QUEUE_WHAT);
        return -1;
    }
    self->users.closed = false;
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

/* ---- what it holds ---- */

/* What a function of the core's, given as a property's closure, says of the queue. */
static PyObject *
queue_count(PyObject *op, void *function)
{
    uint64_t (*read)(const psn_queue *) = (uint64_t(*)(const psn_queue *))(uintptr_t)function;
    psn_queue_object *self = (psn_queue_object *)op;
    if (psn_queue_enter(self) < 0)
        return NULL;
    uint64_t count = read(self->queue);
    psn_queue_leave(self);
    return PyLong_FromUnsignedLongLong(count);
}

static PyObject *
queue_qsize(PyObject *op, PyObject *ignored)
{
    (void)ignored;
    return queue_count(op, PSN_SLOT(psn_queue_size));
}

static PyObject *
queue_bytes(PyObject *op, void *put)
{
    const psn_queue_object *self = (const psn_queue_object *)op;
    return PyLong_FromUnsignedLongLong(put != NULL ? self->bytes_put : self->bytes_taken);
}

static PyObject *
queue_empty(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    (void)ignored;
    if (psn_queue_enter(self) < 0)
        return NULL;
    bool empty = psn_queue_size(self->queue) == 0 && !psn_queue_has_left(self);
    psn_queue_leave(self);
    return PyBool_FromLong(empty);
}

static PyObject *
queue_full(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    (void)ignored;
    if (psn_queue_enter(self) < 0)
        return NULL;
    uint64_t most = psn_queue_max_items(self->queue);
    bool full = most > 0 && psn_queue_size(self->queue) >= most;
    psn_queue_leave(self);
    return PyBool_FromLong(full);
}

static PyObject *
queue_claimed(PyObject *op, PyObject *arg)
{
    psn_queue_object *self = (psn_queue_object *)op;
    unsigned claim;
    uint64_t first, count;
    if (psn_parse_claim(arg, &claim) < 0 || psn_queue_enter(self) < 0)
        return NULL;
    psn_queue_claimed(self->queue, claim, &first, &count);
    psn_queue_leave(self);
    return Py_BuildValue("KK", (unsigned long long)first, (unsigned long long)count);
}

static PyObject *
queue_clear_claim(PyObject *op, PyObject *arg)
{
    psn_queue_object *self = (psn_queue_object *)op;
    unsigned claim;
    if (psn_parse_claim(arg, &claim) < 0 || psn_queue_enter(self) < 0)
        return NULL;
    psn_queue_clear_claim(self->queue, claim);
    psn_queue_leave(self);
    Py_RETURN_NONE;
}

/* ---- joining ---- */

static PyObject *
queue_task_done(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    (void)ignored;
    if (psn_queue_enter(self) < 0)
        return NULL;
    psn_status status = psn_queue_task_done(self->queue);
    psn_queue_leave(self);
    if (status != PSN_OK)
        return psn_raise(status, PSN_QUEUE_WHAT);
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
        psn_deadline(timeout, &deadline) < 0 || psn_queue_enter(self) < 0)
        return NULL;
    psn_status status;
    do {
        Py_BEGIN_ALLOW_THREADS
        status = psn_after_look(psn_queue_wait_all_done(self->queue, psn_next_look(deadline)),
                                deadline);
        Py_END_ALLOW_THREADS
    } while (status == PSN_INTERRUPTED && psn_after_signal() == 0);
    psn_queue_leave(self);
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
    if (psn_users_close(&self->users))
        give_back(self);
    Py_RETURN_NONE;
}

static PyObject *
queue_closed(PyObject *op, void *closure)
{
    psn_queue_object *self = (psn_queue_object *)op;
    (void)closure;
    return PyBool_FromLong(self->users.closed || self->queue == NULL);
}

static PyObject *
queue_descriptors(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    int memory, doorbell;
    (void)ignored;
    if (psn_queue_enter(self) < 0)
        return NULL;
    psn_queue_descriptors(self->queue, &memory, &doorbell);
    psn_queue_leave(self);
    return Py_BuildValue("ii", memory, doorbell);
}

static PyObject *
queue_fileno(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    int memory, doorbell;
    (void)ignored;
    if (psn_queue_enter(self) < 0)
        return NULL;
    psn_status status = psn_queue_watch(self->queue);
    psn_queue_descriptors(self->queue, &memory, &doorbell);
    psn_queue_leave(self);
    return status == PSN_OK ? PyLong_FromLong(doorbell) : psn_raise(status, PSN_QUEUE_WHAT);
}

static PyObject *
queue_pair(PyObject *op, PyObject *other)
{
    psn_queue_object *self = (psn_queue_object *)op, *partner = (psn_queue_object *)other;
    if (!PyObject_TypeCheck(other, psn_module_state.queue_type)) {
        PyErr_SetString(PyExc_TypeError, "pair() takes another queue of procession's native core");
        return NULL;
    }
    if (psn_queue_enter(self) < 0)
        return NULL;
    if (psn_queue_enter(partner) < 0) {
        psn_queue_leave(self);
        return NULL;
    }
    psn_queue_pair(self->queue, partner->queue);
    psn_queue_leave(partner);
    psn_queue_leave(self);
    Py_RETURN_NONE;
}

static PyObject *
queue_memory(PyObject *op, PyObject *ignored)
{
    psn_queue_object *self = (psn_queue_object *)op;
    (void)ignored;
    if (psn_queue_enter(self) < 0)
        return NULL;
    PyObject *result = psn_memory_dict(psn_queue_segment(self->queue));
    psn_queue_leave(self);
    return result;
}

static PyMethodDef queue_methods[] = {
    {"put", (PyCFunction)(void (*)(void))psn_queue_py_put, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("put(obj, block=True, timeout=None)\n\nPut obj; when it returns the message is there.\n"
               "Raises queue.Full when there is no room (within timeout seconds).")},
    {"put_nowait", psn_queue_py_put_nowait, METH_O, PyDoc_STR("put(obj, block=False)")},
    {"put_many", (PyCFunction)(void (*)(void))psn_queue_py_put_many, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("put_many(objs, block=True, timeout=None) -> index of the first\n\nPut all, in "
               "order; queue.Full has the number that were put as `put`.")},
    {"get", (PyCFunction)(void (*)(void))psn_queue_py_get, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("get(block=True, timeout=None)\n\nTake the oldest message. Raises queue.Empty when "
               "there is none (within timeout seconds).")},
    {"get_nowait", psn_queue_py_get_nowait, METH_NOARGS, PyDoc_STR("get(block=False)")},
    {"get_many", (PyCFunction)(void (*)(void))psn_queue_py_get_many, METH_FASTCALL | METH_KEYWORDS,
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
    {"pair", queue_pair, METH_O,
     PyDoc_STR("Somebody always waits at this queue or the other while nothing happens: keep their\n"
               "memory warm until then.")},
    {"memory", queue_memory, METH_NOARGS, PyDoc_STR("What the queue's memory is used for, in bytes.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef queue_properties[] = {
    {"closed", queue_closed, NULL, PyDoc_STR("Is it closed in this process?"), NULL},
    {"maxsize", queue_count, NULL, PyDoc_STR("Most messages at a time; 0 = no limit."),
     PSN_SLOT(psn_queue_max_items)},
    {"messages_put", queue_count, NULL, PyDoc_STR("Messages ever put."),
     PSN_SLOT(psn_queue_put_count)},
    {"messages_taken", queue_count, NULL, PyDoc_STR("Messages ever taken."),
     PSN_SLOT(psn_queue_taken_count)},
    {"bytes_put", queue_bytes, NULL, PyDoc_STR("Bytes put through this object."), (void *)"put"},
    {"bytes_taken", queue_bytes, NULL, PyDoc_STR("Bytes taken through this object."), NULL},
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
