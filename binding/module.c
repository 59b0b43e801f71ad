/* The module procession._native: types, functions for tests, constants. */
#include "binding.h"

#include <string.h>
#include <unistd.h>

psn_state psn_module_state;

psn_codec *
psn_module_codec(PyObject *module)
{
    (void)module;
    return &psn_module_state.codec;
}

static PyObject *
arm_kill_point(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "countdown", NULL};
    const char *name;
    unsigned countdown = 1;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|I:arm_kill_point", names, &name, &countdown))
        return NULL;
    if (!psn_kill_point_arm(name, countdown)) {
        PyErr_Format(PyExc_ValueError, "no kill point %s with countdown %u; see KILL_POINTS", name,
                     countdown);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
disarm_kill_points(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    psn_kill_point_disarm();
    Py_RETURN_NONE;
}

static PyObject *
kill_point_names(void)
{
    PyObject *names = PyList_New(0);
    const char *name;
    for (size_t i = 0; names != NULL && (name = psn_kill_point_name(i)) != NULL; i++) {
        PyObject *text = PyUnicode_FromString(name);
        if (text == NULL || PyList_Append(names, text) < 0)
            Py_CLEAR(names);
        Py_XDECREF(text);
    }
    PyObject *tuple = names == NULL ? NULL : PyList_AsTuple(names);
    Py_XDECREF(names);
    return tuple;
}

static int
import_name(const char *module, const char *name, PyObject **into)
{
    PyObject *imported = PyImport_ImportModule(module);
    if (imported == NULL)
        return -1;
    *into = PyObject_GetAttrString(imported, name);
    Py_DECREF(imported);
    return *into == NULL ? -1 : 0;
}

static int
add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **into)
{
    *into = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *into == NULL ? -1 : PyModule_AddType(module, *into);
}

static int
add_constants(PyObject *module)
{
    PyObject *names = kill_point_names();
    if (names == NULL || PyModule_AddObjectRef(module, "KILL_POINTS", names) < 0) {
        Py_XDECREF(names);
        return -1;
    }
    Py_DECREF(names);
    return PyModule_AddStringConstant(module, "INTERFACE", PSN_INTERFACE);
}

static int
module_exec(PyObject *module)
{
    psn_state *state = &psn_module_state;
    if (state->queue_type != NULL) {
        PyErr_SetString(PyExc_ImportError,
                        "procession._native is loaded once a process and not into subinterpreters");
        return -1;
    }
    if (psn_codec_init(&state->codec) < 0 || import_name("queue", "Full", &state->full) < 0 ||
        import_name("queue", "Empty", &state->empty) < 0 ||
        import_name("multiprocessing.context", "BufferTooShort", &state->buffer_too_short) < 0 ||
        add_type(module, &psn_buffer_spec, &state->buffer_type) < 0 ||
        add_type(module, &psn_channel_spec, &state->channel_type) < 0 ||
        add_type(module, &psn_cells_spec, &state->cells_type) < 0 ||
        add_type(module, &psn_semaphore_spec, &state->semaphore_type) < 0 ||
        psn_semaphore_add_constants(state->semaphore_type) < 0 ||
        add_type(module, &psn_flag_spec, &state->flag_type) < 0 ||
        add_type(module, &psn_parking_lot_spec, &state->parking_lot_type) < 0 ||
        add_type(module, &psn_queue_spec, &state->queue_type) < 0 ||
        add_type(module, &psn_chunk_spec, &state->chunk_type) < 0 ||
        add_type(module, &psn_brief_chunk_spec, &state->brief_chunk_type) < 0 ||
        add_type(module, &psn_single_call_spec, &state->single_call_type) < 0 ||
        add_type(module, &psn_brief_calls_spec, &state->brief_calls_type) < 0 ||
        add_type(module, &psn_ticket_book_spec, &state->ticket_book_type) < 0 ||
        add_type(module, &psn_result_line_spec, &state->result_line_type) < 0 ||
        add_type(module, &psn_result_iterator_spec, &state->result_iterator_type) < 0 ||
        add_type(module, &psn_pending_result_spec, &state->pending_result_type) < 0 ||
        add_type(module, &psn_input_iterator_spec, &state->input_iterator_type) < 0 ||
        add_type(module, &psn_work_loop_spec, &state->work_loop_type) < 0)
        return -1;
    return add_constants(module);
}

#define PIECE ((size_t)256 << 10) /* fits into a processor's cache: read once, compared there */

static bool
holds(int fd, off_t offset, const char *data, size_t size, char *piece)
{
    while (size > 0) {
        ssize_t got = pread(fd, piece, size < PIECE ? size : PIECE, offset);
        if (got <= 0 || memcmp(piece, data, (size_t)got) != 0)
            return false; /* an error as well: then it is written anew */
        offset += got;
        data += got;
        size -= (size_t)got;
    }
    return true;
}

static PyObject *
file_holds(PyObject *module, PyObject *args)
{
    int fd;
    long long offset;
    Py_buffer data;
    (void)module;
    if (!PyArg_ParseTuple(args, "iLy*:file_holds", &fd, &offset, &data))
        return NULL;
    char *piece = PyMem_RawMalloc(PIECE);
    bool same = false;
    if (piece != NULL) {
        Py_BEGIN_ALLOW_THREADS
        same = holds(fd, (off_t)offset, data.buf, (size_t)data.len, piece);
        Py_END_ALLOW_THREADS
    }
    PyMem_RawFree(piece);
    PyBuffer_Release(&data);
    return PyBool_FromLong(same);
}

static PyMethodDef module_methods[] = {
    {"arm_kill_point", (PyCFunction)(void (*)(void))arm_kill_point, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("arm_kill_point(name, countdown=1)\n\nFor tests: SIGKILL this process when it passes "
               "the named point for the countdown-th time.")},
    {"disarm_kill_points", disarm_kill_points, METH_NOARGS, NULL},
    {"wait", (PyCFunction)(void (*)(void))psn_py_wait, METH_FASTCALL,
     PyDoc_STR("wait(objects, timeout) -> those that are ready, in their order")},
    PSN_CODEC_METHODS,
    {"take_results", (PyCFunction)(void (*)(void))psn_py_take_results, METH_FASTCALL,
     psn_take_results_doc},
    {"run_tasks", (PyCFunction)(void (*)(void))psn_py_run_tasks, METH_FASTCALL, psn_run_tasks_doc},
    {"file_holds", file_holds, METH_VARARGS,
     PyDoc_STR("file_holds(fd, offset, data) -> whether these bytes are in the file there")},
    {"is_plain", psn_py_is_plain, METH_O, psn_is_plain_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, PSN_SLOT(module_exec)},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "procession._native",
    .m_doc = PyDoc_STR("Messages between processes through shared memory."),
    .m_size = 0,
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__native(void); /* found by name; nobody includes it */

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&module_definition);
}
