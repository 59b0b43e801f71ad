/* ParkingLot: who waits for a condition, and in which order.
 *
 * Waiting is one call from the entering to the leaving, in one thread: no signal handler gets
 * between the two, and the place never outlives the wait.
 */
#include "sync.h"

static int
lot_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"place", NULL};
    PyObject *place = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:ParkingLot", names, &place))
        return -1;
    return psn_sync_make((psn_sync_object *)op, PSN_SYNC_CONDITION, 0, 0, place);
}

/* ---- waiting ---- */

/* Calls the method so many times; how many times it went well. */
static long
call_times(PyObject *lock, const char *method, long count)
{
    long done = 0;
    for (; done < count; done++) {
        PyObject *result = PyObject_CallMethod(lock, method, NULL);
        if (result == NULL)
            break;
        Py_DECREF(result);
    }
    return done;
}

static int
times_acquired(PyObject *lock, long *count)
{
    PyObject *number = PyObject_CallMethod(lock, "_count", NULL);
    if (number == NULL)
        return -1;
    *count = PyLong_AsLong(number);
    Py_DECREF(number);
    return *count == -1 && PyErr_Occurred() ? -1 : 0;
}

/* -1 with the exception of a signal handler. */
static int
sleep_without_gil(psn_sync *lot, uint32_t waiter, uint64_t deadline)
{
    psn_status status;
    int goes_on;
    do {
        Py_BEGIN_ALLOW_THREADS
        status = psn_condition_sleep(lot, waiter, psn_next_look(deadline));
        Py_END_ALLOW_THREADS
        goes_on = psn_wait_goes_on(status, deadline);
    } while (goes_on == 1);
    return goes_on;
}

/* Acquires again what was released, also when the wait ended with an exception. */
static int
take_again(PyObject *lock, long count)
{
    PyObject *error = PyErr_Occurred() ? take_exception() : NULL;
    bool complete = call_times(lock, "acquire", count) == count;
    if (!complete) {
        Py_XDECREF(error);
        return -1;
    }
    if (error != NULL) {
        give_back_exception(error);
        return -1;
    }
    return 0;
}

static PyObject *
wait_with(psn_sync *lot, PyObject *lock, long count, uint64_t deadline)
{
    uint32_t waiter;
    psn_status status = psn_condition_enter(lot, &waiter);
    if (status == PSN_FULL)
        return PyErr_Format(PyExc_OSError,
                            "more than %d threads wait for conditions that were made together "
                            "with this one: let fewer wait at a time",
                            PSN_WAITERS);
    if (status != PSN_OK)
        return psn_sync_raise(status);
    long released = call_times(lock, "release", count);
    if (released == count)
        (void)sleep_without_gil(lot, waiter, deadline); /* its exception is pending */
    bool notified = psn_condition_leave(lot, waiter);
    return take_again(lock, released) < 0 ? NULL : PyBool_FromLong(notified);
}

static PyObject *
lot_wait(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lock", "timeout", NULL};
    psn_sync_object *self = (psn_sync_object *)op;
    PyObject *lock, *timeout = Py_None;
    uint64_t deadline;
    long count;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:wait", names, &lock, &timeout) ||
        psn_deadline(timeout, &deadline) < 0 || psn_sync_check(self) < 0 ||
        times_acquired(lock, &count) < 0)
        return NULL;
    return wait_with(self->sync, lock, count, deadline);
}

static PyObject *
lot_notify(PyObject *op, PyObject *arg)
{
    psn_sync_object *self = (psn_sync_object *)op;
    if (psn_sync_check(self) < 0)
        return NULL;
    Py_ssize_t count = PyNumber_AsSsize_t(arg, NULL); /* more than fits is as many as there are */
    if (count == -1 && PyErr_Occurred())
        return NULL;
    if (count <= 0)
        return PyLong_FromLong(0);
    return PyLong_FromUnsignedLongLong(psn_condition_notify(self->sync, (uint64_t)count));
}

static PyObject *
lot_waiters(PyObject *op, PyObject *ignored)
{
    psn_sync_object *self = (psn_sync_object *)op;
    (void)ignored;
    if (psn_sync_check(self) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(psn_condition_waiters(self->sync));
}

/* ---- notes ---- */

static int
check_note(psn_sync_object *self, unsigned which)
{
    if (psn_sync_check(self) < 0)
        return -1;
    if (which < PSN_CONDITION_NOTES)
        return 0;
    PyErr_Format(PyExc_IndexError, "there are %d notes, numbered from 0, and no note %u",
                 PSN_CONDITION_NOTES, which);
    return -1;
}

static PyObject *
lot_note(PyObject *op, PyObject *args)
{
    psn_sync_object *self = (psn_sync_object *)op;
    unsigned which;
    if (!PyArg_ParseTuple(args, "I:note", &which) || check_note(self, which) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(psn_condition_note(self->sync, which));
}

static PyObject *
lot_set_note(PyObject *op, PyObject *args)
{
    psn_sync_object *self = (psn_sync_object *)op;
    unsigned which;
    unsigned long long value;
    if (!PyArg_ParseTuple(args, "IK:set_note", &which, &value) || check_note(self, which) < 0)
        return NULL;
    psn_condition_set_note(self->sync, which, value);
    Py_RETURN_NONE;
}

static PyMethodDef lot_methods[] = {
    {"wait", (PyCFunction)(void (*)(void))lot_wait, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("wait(lock, timeout=None) -> bool\n\nRelease the lock as often as it was acquired, "
               "wait to be notified, acquire it as often;\nFalse after timeout seconds.")},
    {"notify", lot_notify, METH_O,
     PyDoc_STR("notify(n) -> int\n\nWake the n that have waited longest; how many there were.")},
    {"waiters", lot_waiters, METH_NOARGS,
     PyDoc_STR("How many wait, are alive and have not been notified.")},
    {"note", lot_note, METH_VARARGS, PyDoc_STR("note(which) -> the number noted there, or 0")},
    {"set_note", lot_set_note, METH_VARARGS, PyDoc_STR("set_note(which, value)")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef lot_properties[] = {
    PSN_SYNC_PLACE,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot lot_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Who waits for a condition, across processes.")},
    {Py_tp_new, PSN_SLOT(PyType_GenericNew)},
    {Py_tp_init, PSN_SLOT(lot_init)},
    {Py_tp_dealloc, PSN_SLOT(psn_sync_dealloc)},
    {Py_tp_methods, lot_methods},
    {Py_tp_getset, lot_properties},
    {0, NULL},
};

PyType_Spec psn_parking_lot_spec = {
    .name = "procession._native.ParkingLot",
    .basicsize = sizeof(psn_sync_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = lot_slots,
};
