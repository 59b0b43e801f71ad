/* Flag: what an Event is made of. */
#include "sync.h"

static int
flag_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"place", NULL};
    PyObject *place = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:Flag", names, &place))
        return -1;
    return psn_sync_make((psn_sync_object *)op, PSN_SYNC_FLAG, 0, 0, place);
}

static PyObject *
flag_is_set(PyObject *op, PyObject *ignored)
{
    psn_sync_object *self = (psn_sync_object *)op;
    (void)ignored;
    return psn_sync_check(self) < 0 ? NULL : PyBool_FromLong(psn_flag_is_set(self->sync));
}

static PyObject *
flag_set(PyObject *op, PyObject *ignored)
{
    psn_sync_object *self = (psn_sync_object *)op;
    (void)ignored;
    if (psn_sync_check(self) < 0)
        return NULL;
    psn_flag_set(self->sync);
    Py_RETURN_NONE;
}

static PyObject *
flag_clear(PyObject *op, PyObject *ignored)
{
    psn_sync_object *self = (psn_sync_object *)op;
    (void)ignored;
    if (psn_sync_check(self) < 0)
        return NULL;
    psn_flag_clear(self->sync);
    Py_RETURN_NONE;
}

static PyObject *
flag_wait(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"timeout", NULL};
    psn_sync_object *self = (psn_sync_object *)op;
    PyObject *timeout = Py_None;
    uint64_t deadline;
    psn_status status;
    int goes_on;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:wait", names, &timeout) ||
        psn_deadline(timeout, &deadline) < 0 || psn_sync_check(self) < 0)
        return NULL;
    uint64_t look = psn_flag_look(self->sync);
    do {
        Py_BEGIN_ALLOW_THREADS
        status = psn_flag_wait_since(self->sync, look, psn_next_look(deadline));
        Py_END_ALLOW_THREADS
        goes_on = psn_wait_goes_on(status, deadline);
    } while (goes_on == 1);
    return goes_on < 0 ? NULL : PyBool_FromLong(status == PSN_OK);
}

static PyMethodDef flag_methods[] = {
    {"is_set", flag_is_set, METH_NOARGS, PyDoc_STR("Is it set?")},
    {"set", flag_set, METH_NOARGS, PyDoc_STR("Set it, and wake all who wait for it.")},
    {"clear", flag_clear, METH_NOARGS, PyDoc_STR("Set it no longer.")},
    {"wait", (PyCFunction)(void (*)(void))flag_wait, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("wait(timeout=None) -> bool\n\nWait until it is set, or was set in the meantime; "
               "False after timeout seconds.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef flag_properties[] = {
    PSN_SYNC_PLACE,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot flag_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A flag between processes, in shared memory.")},
    {Py_tp_new, PSN_SLOT(PyType_GenericNew)},
    {Py_tp_init, PSN_SLOT(flag_init)},
    {Py_tp_dealloc, PSN_SLOT(psn_sync_dealloc)},
    {Py_tp_methods, flag_methods},
    {Py_tp_getset, flag_properties},
    {0, NULL},
};

PyType_Spec psn_flag_spec = {
    .name = "procession._native.Flag",
    .basicsize = sizeof(psn_sync_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = flag_slots,
};
