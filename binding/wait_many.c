/* wait(): the objects that are ready, of queues, connections, and what has a descriptor.
 *
 * Queues and connections are looked at by the core; of all others the descriptor is asked for
 * first, which may run any code, and before any call is begun.
 */
#include "channel_object.h"
#include "queue_object.h"

#define FEW 64

typedef struct {
    PyObject *objects; /* a list of our own */
    Py_ssize_t count;
    psn_waitable *entries;
    psn_waitable few[FEW];
} psn_wait_call;

static bool
is_queue(PyObject *obj)
{
    return PyObject_TypeCheck(obj, psn_module_state.queue_type);
}

/* An end that cannot receive is a descriptor like any other, and so is one that was closed for
 * good: its fileno() says what is wrong. */
static bool
is_receiver(PyObject *obj)
{
    if (!PyObject_TypeCheck(obj, psn_module_state.channel_type))
        return false;
    psn_channel_object *channel = (psn_channel_object *)obj;
    return channel->channel != NULL && !channel->users.closed && !channel->deaf &&
           psn_channel_readable(channel->channel);
}

/* As selectors do: what has no fileno() is a wrong value. */
static int
refuse(PyObject *obj)
{
    if (PyErr_ExceptionMatches(PyExc_AttributeError) || PyErr_ExceptionMatches(PyExc_TypeError))
        PyErr_Format(PyExc_ValueError,
                     "cannot wait for %.200R: wait() takes queues, connections, sockets, sentinels "
                     "and other descriptors, and what has a fileno() of one",
                     obj);
    return -1;
}

static int
descriptor_of(PyObject *obj)
{
    if (PyLong_Check(obj))
        return PyObject_AsFileDescriptor(obj);
    PyObject *number = PyObject_CallMethod(obj, "fileno", NULL);
    if (number != NULL)
        Py_SETREF(number, PyNumber_Long(number));
    int descriptor = number == NULL ? -1 : PyObject_AsFileDescriptor(number);
    Py_XDECREF(number);
    return descriptor >= 0 ? descriptor : refuse(obj);
}

static int
ask_descriptors(psn_wait_call *call)
{
    for (Py_ssize_t i = 0; i < call->count; i++) {
        PyObject *obj = PyList_GET_ITEM(call->objects, i);
        call->entries[i] = (psn_waitable){.fd = -1};
        if (is_queue(obj) || is_receiver(obj))
            continue;
        call->entries[i].fd = descriptor_of(obj);
        if (call->entries[i].fd < 0)
            return -1;
    }
    return 0;
}

/* ---- the calls of the queues and connections ---- */

static void
leave(psn_wait_call *call, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *obj = PyList_GET_ITEM(call->objects, i);
        if (call->entries[i].queue != NULL)
            psn_queue_leave((psn_queue_object *)obj);
        else if (call->entries[i].channel != NULL)
            psn_channel_leave((psn_channel_object *)obj);
    }
}

static int
enter_one(PyObject *obj, psn_waitable *entry)
{
    if (entry->fd >= 0)
        return 0;
    if (is_queue(obj)) {
        psn_queue_object *queue = (psn_queue_object *)obj;
        if (psn_queue_enter(queue) < 0)
            return -1;
        entry->queue = queue->queue;
        entry->ready = psn_queue_has_left(queue);
        return 0;
    }
    psn_channel_object *channel = (psn_channel_object *)obj;
    if (psn_channel_enter(channel, PSN_TO_RECEIVE) < 0)
        return -1;
    entry->channel = channel->channel;
    return 0;
}

static int
enter(psn_wait_call *call)
{
    for (Py_ssize_t i = 0; i < call->count; i++) {
        if (enter_one(PyList_GET_ITEM(call->objects, i), &call->entries[i]) < 0) {
            leave(call, i);
            return -1;
        }
    }
    return 0;
}

/* ---- waiting ---- */

static psn_status
wait_until(psn_wait_call *call, uint64_t deadline)
{
    psn_status status;
    do {
        Py_BEGIN_ALLOW_THREADS
        status = psn_after_look(psn_wait_many(call->entries, (size_t)call->count,
                                              psn_next_look(deadline)), deadline);
        Py_END_ALLOW_THREADS
    } while (status == PSN_INTERRUPTED && psn_after_signal() == 0);
    return status;
}

static PyObject *
those_ready(const psn_wait_call *call)
{
    PyObject *ready = PyList_New(0);
    for (Py_ssize_t i = 0; ready != NULL && i < call->count; i++) {
        if (call->entries[i].ready &&
            PyList_Append(ready, PyList_GET_ITEM(call->objects, i)) < 0)
            Py_CLEAR(ready);
    }
    return ready;
}

static PyObject *
run(psn_wait_call *call, uint64_t deadline)
{
    if (ask_descriptors(call) < 0 || enter(call) < 0)
        return NULL;
    psn_status status = wait_until(call, deadline);
    leave(call, call->count);
    if (status == PSN_OK)
        return those_ready(call);
    if (status == PSN_TIMEOUT)
        return PyList_New(0);
    return status == PSN_INTERRUPTED ? NULL : psn_raise(status, "wait");
}

PyObject *
psn_py_wait(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    psn_wait_call call;
    uint64_t deadline;
    (void)module;
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError, "wait() takes objects and a timeout, got %zd", nargs);
    if (psn_deadline(args[1], &deadline) < 0)
        return NULL;
    call.objects = PySequence_List(args[0]);
    if (call.objects == NULL)
        return NULL;
    call.count = PyList_GET_SIZE(call.objects);
    call.entries = call.few;
    if (call.count > FEW)
        call.entries = PyMem_Malloc((size_t)call.count * sizeof *call.entries);
    PyObject *result = call.entries == NULL ? PyErr_NoMemory() : run(&call, deadline);
    if (call.entries != call.few)
        PyMem_Free(call.entries);
    Py_DECREF(call.objects);
    return result;
}
