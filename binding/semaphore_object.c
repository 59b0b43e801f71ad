/* Semaphore: locks and semaphores, with the interface of the standard library's SemLock. */
#include <errno.h>
#include <limits.h>

#include "sync.h"

enum { RECURSIVE_MUTEX = 0, SEMAPHORE = 1 }; /* the standard library's numbers */

typedef struct {
    psn_sync_object base;
    int kind;
    bool has_holder; /* a lock: its holder's death frees it */
    bool abandoned;  /* the last time that it was taken here, its holder had died */
    uint32_t epoch;  /* of the process that `count` and `thread` speak of */
    long count;      /* times acquired less times released here */
    unsigned long thread; /* that acquired it last */
} psn_semaphore_object;

/* ---- making ---- */

static int
semaphore_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"kind", "value", "maxvalue", "has_holder", "place", NULL};
    psn_semaphore_object *self = (psn_semaphore_object *)op;
    int kind = SEMAPHORE, value = 1, max = 1, has_holder = 0;
    PyObject *place = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|iiip$O:Semaphore", names, &kind, &value, &max,
                                     &has_holder, &place))
        return -1;
    if (kind != RECURSIVE_MUTEX && kind != SEMAPHORE) {
        PyErr_Format(PyExc_ValueError, "unrecognized kind %d", kind);
        return -1;
    }
    if (value < 0 || value > max || (has_holder && max != 1)) {
        errno = EINVAL; /* what sem_open(3) says of it */
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    self->kind = kind;
    self->has_holder = has_holder != 0;
    self->epoch = psn_process_epoch();
    return psn_sync_make(&self->base, has_holder ? PSN_SYNC_LOCK : PSN_SYNC_SEMAPHORE,
                         (uint64_t)value, (uint64_t)max, place);
}

/* ---- whose it is ---- */

/* A fork's child has acquired nothing. */
static inline void
know_process(psn_semaphore_object *self)
{
    uint32_t epoch = psn_process_epoch();
    if (self->epoch != epoch) {
        self->epoch = epoch;
        self->count = 0;
    }
}

static inline bool
is_mine(psn_semaphore_object *self)
{
    know_process(self);
    return self->count > 0 && self->thread == PyThread_get_thread_ident();
}

/* ---- acquiring ---- */

/* 1 taken, 0 not within the time, -1 with the exception of a signal handler. */
static int
wait_and_take(psn_semaphore_object *self, uint64_t deadline)
{
    psn_status status;
    bool abandoned;
    int goes_on;
    do {
        if (deadline == 0) {
            status = psn_semaphore_wait(self->base.sync, 0, &abandoned);
        } else {
            Py_BEGIN_ALLOW_THREADS
            status = psn_semaphore_wait(self->base.sync, psn_next_look(deadline), &abandoned);
            Py_END_ALLOW_THREADS
        }
        goes_on = deadline == 0 ? 0 : psn_wait_goes_on(status, deadline);
    } while (goes_on == 1);
    if (goes_on < 0)
        return -1;
    if (status == PSN_OK) {
        self->abandoned = abandoned;
        return 1;
    }
    if (status == PSN_TIMEOUT)
        return 0;
    psn_sync_raise(status);
    return -1;
}

static int
take(psn_semaphore_object *self, bool block, PyObject *timeout)
{
    if (psn_sync_check(&self->base) < 0)
        return -1;
    bool mine = is_mine(self);
    if (self->kind == RECURSIVE_MUTEX && mine) {
        self->count++;
        return 1;
    }
    if (psn_semaphore_try(self->base.sync) == PSN_OK) {
        self->abandoned = false;
    } else {
        uint64_t deadline = 0;
        if (block && psn_deadline(timeout, &deadline) < 0)
            return -1;
        int taken = wait_and_take(self, deadline);
        if (taken != 1)
            return taken;
        know_process(self);
    }
    self->count++;
    self->thread = PyThread_get_thread_ident();
    return 1;
}

static int
acquire_arguments(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **values)
{
    Py_ssize_t keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (nargs > 2) {
        PyErr_Format(PyExc_TypeError, "acquire() takes at most 2 arguments (%zd given)", nargs);
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++)
        values[i] = args[i];
    for (Py_ssize_t k = 0; k < keywords; k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        int which = PyUnicode_CompareWithASCIIString(name, "block") == 0     ? 0
                    : PyUnicode_CompareWithASCIIString(name, "timeout") == 0 ? 1
                                                                             : -1;
        if (which < 0 || values[which] != NULL) {
            PyErr_Format(PyExc_TypeError, "acquire() got %s argument '%U'",
                         which < 0 ? "an unexpected keyword" : "multiple values for", name);
            return -1;
        }
        values[which] = args[nargs + k];
    }
    return 0;
}

static PyObject *
semaphore_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *values[2] = {NULL, NULL};
    int block = 1;
    if ((nargs > 0 || kwnames != NULL) && acquire_arguments(args, nargs, kwnames, values) < 0)
        return NULL;
    if (values[0] != NULL && (block = PyObject_IsTrue(values[0])) < 0)
        return NULL;
    int taken = take((psn_semaphore_object *)op, block != 0, values[1]);
    return taken < 0 ? NULL : PyBool_FromLong(taken);
}

static PyObject *
semaphore_enter(PyObject *op, PyObject *ignored)
{
    (void)ignored;
    int taken = take((psn_semaphore_object *)op, true, NULL);
    return taken < 0 ? NULL : PyBool_FromLong(taken);
}

/* ---- releasing ---- */

static PyObject *
semaphore_release(PyObject *op, PyObject *ignored)
{
    psn_semaphore_object *self = (psn_semaphore_object *)op;
    (void)ignored;
    if (psn_sync_check(&self->base) < 0)
        return NULL;
    if (self->kind == RECURSIVE_MUTEX) {
        if (!is_mine(self)) {
            PyErr_SetString(PyExc_AssertionError,
                            "attempt to release recursive lock not owned by thread");
            return NULL;
        }
        if (self->count > 1) {
            self->count--;
            Py_RETURN_NONE;
        }
    }
    know_process(self);
    if (psn_semaphore_give(self->base.sync) != PSN_OK) {
        PyErr_SetString(PyExc_ValueError, "semaphore or lock released too many times");
        return NULL;
    }
    self->count--;
    Py_RETURN_NONE;
}

static PyObject *
semaphore_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    (void)args;
    (void)nargs;
    return semaphore_release(op, NULL);
}

/* ---- what is known of it ---- */

static PyObject *
semaphore_count(PyObject *op, PyObject *ignored)
{
    psn_semaphore_object *self = (psn_semaphore_object *)op;
    (void)ignored;
    know_process(self);
    return PyLong_FromLong(self->count);
}

static PyObject *
semaphore_is_mine(PyObject *op, PyObject *ignored)
{
    (void)ignored;
    return PyBool_FromLong(is_mine((psn_semaphore_object *)op));
}

static PyObject *
semaphore_get_value(PyObject *op, PyObject *ignored)
{
    psn_semaphore_object *self = (psn_semaphore_object *)op;
    (void)ignored;
    if (psn_sync_check(&self->base) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(psn_semaphore_value(self->base.sync));
}

static PyObject *
semaphore_is_zero(PyObject *op, PyObject *ignored)
{
    psn_semaphore_object *self = (psn_semaphore_object *)op;
    (void)ignored;
    if (psn_sync_check(&self->base) < 0)
        return NULL;
    return PyBool_FromLong(psn_semaphore_value(self->base.sync) == 0);
}

static PyObject *
semaphore_after_fork(PyObject *op, PyObject *ignored)
{
    (void)ignored;
    ((psn_semaphore_object *)op)->count = 0;
    Py_RETURN_NONE;
}

static PyObject *
semaphore_kind(PyObject *op, void *closure)
{
    (void)closure;
    return PyLong_FromLong(((psn_semaphore_object *)op)->kind);
}

static PyObject *
semaphore_maxvalue(PyObject *op, void *closure)
{
    psn_semaphore_object *self = (psn_semaphore_object *)op;
    (void)closure;
    if (psn_sync_check(&self->base) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(psn_semaphore_max(self->base.sync));
}

static PyObject *
semaphore_handle(PyObject *op, void *closure)
{
    psn_semaphore_object *self = (psn_semaphore_object *)op;
    (void)closure;
    if (psn_sync_check(&self->base) < 0)
        return NULL;
    return PyLong_FromVoidPtr(self->base.sync);
}

static PyObject *
semaphore_name(PyObject *op, void *closure)
{
    (void)op;
    (void)closure;
    Py_RETURN_NONE;
}

static PyObject *
semaphore_abandoned(PyObject *op, void *closure)
{
    (void)closure;
    return PyBool_FromLong(((psn_semaphore_object *)op)->abandoned);
}

static PyObject *
semaphore_has_holder(PyObject *op, void *closure)
{
    (void)closure;
    return PyBool_FromLong(((psn_semaphore_object *)op)->has_holder);
}

static PyMethodDef semaphore_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))semaphore_acquire, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("acquire(block=True, timeout=None) -> bool\n\nTake one; False when there was none "
               "(within timeout seconds).")},
    {"release", semaphore_release, METH_NOARGS, PyDoc_STR("Give one back.")},
    {"__enter__", semaphore_enter, METH_NOARGS, PyDoc_STR("acquire()")},
    {"__exit__", (PyCFunction)(void (*)(void))semaphore_exit, METH_FASTCALL,
     PyDoc_STR("release()")},
    {"_count", semaphore_count, METH_NOARGS,
     PyDoc_STR("Times acquired less times released, here.")},
    {"_is_mine", semaphore_is_mine, METH_NOARGS, PyDoc_STR("Did this thread acquire it last?")},
    {"_get_value", semaphore_get_value, METH_NOARGS, PyDoc_STR("How many are left.")},
    {"_is_zero", semaphore_is_zero, METH_NOARGS, PyDoc_STR("Is none left?")},
    {"_after_fork", semaphore_after_fork, METH_NOARGS, PyDoc_STR("Forget what was acquired.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef semaphore_properties[] = {
    {"kind", semaphore_kind, NULL, PyDoc_STR("0 recursive lock, 1 semaphore."), NULL},
    {"maxvalue", semaphore_maxvalue, NULL, PyDoc_STR("How many there are at most."), NULL},
    {"handle", semaphore_handle, NULL, PyDoc_STR("A number of this process."), NULL},
    {"name", semaphore_name, NULL, PyDoc_STR("None: it has no name that could leak."), NULL},
    {"abandoned", semaphore_abandoned, NULL,
     PyDoc_STR("Had its holder died with it, when it was last acquired here?"), NULL},
    {"has_holder", semaphore_has_holder, NULL, PyDoc_STR("Does its holder's death free it?"), NULL},
    PSN_SYNC_PLACE,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot semaphore_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A lock or semaphore between processes, in shared memory.")},
    {Py_tp_new, PSN_SLOT(PyType_GenericNew)},
    {Py_tp_init, PSN_SLOT(semaphore_init)},
    {Py_tp_dealloc, PSN_SLOT(psn_sync_dealloc)},
    {Py_tp_methods, semaphore_methods},
    {Py_tp_getset, semaphore_properties},
    {0, NULL},
};

PyType_Spec psn_semaphore_spec = {
    .name = "procession._native.Semaphore",
    .basicsize = sizeof(psn_semaphore_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = semaphore_slots,
};

int
psn_semaphore_add_constants(PyTypeObject *type)
{
    PyObject *most = PyLong_FromLong(INT_MAX);
    int failed = most == NULL ||
                 PyObject_SetAttrString((PyObject *)type, "SEM_VALUE_MAX", most) < 0;
    Py_XDECREF(most);
    return failed ? -1 : 0;
}
