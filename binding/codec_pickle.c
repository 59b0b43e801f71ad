/* Pickling with the interpreter's own C pickler.
 *
 * multiprocessing.reduction.ForkingPickler, a Python class, costs several microseconds each time
 * that one is made.  All that it adds to its base class is a dispatch_table, and we give the base
 * class one with the same contents (codec_sink.c).  Where a program has changed ForkingPickler
 * itself (its dumps or its members, or its loads), we call what it put there.
 *
 * A pickler is used again and again.  Between messages it rests, with its memo cleared, in
 * codec->idle; pickling takes it out by an atomic exchange.  Whoever finds nothing there (a second
 * thread, or a __reduce__ that itself puts into a queue) makes another.  One that has failed is
 * thrown away, for it still refers to what it was pickling; so is one that has seen a large
 * message, for it keeps a memo and a buffer of that size.
 */
#include "codec_internal.h"

enum {
    KEEP_PICKLER_MAX = 16 * 1024, /* bytes in a message after which the pickler is kept */
    COPY_TO_LOAD_MAX = 4 * 1024   /* bytes; copying these is cheaper than making a memoryview */
};

struct psn_pickling {
    PyObject *pickler;
    psn_sink *sink; /* its file; closed while at rest */
};

static void
dispose(psn_pickling *pickling)
{
    if (pickling == NULL)
        return;
    psn_sink_reset(pickling->sink);
    Py_XDECREF(pickling->pickler);
    Py_DECREF(pickling->sink);
    PyMem_Free(pickling);
}

static PyObject *
make_pickler(psn_codec *codec, psn_sink *sink)
{
    PyObject *pickler = PyObject_CallFunction(codec->pickler_type, "OiOO", (PyObject *)sink, 5,
                                              Py_True, (PyObject *)sink);
    if (pickler != NULL
        && PyObject_SetAttrString(pickler, "dispatch_table", (PyObject *)sink) < 0)
        Py_CLEAR(pickler);
    return pickler;
}

/* A pickler for one message, its sink open.  NULL with an exception. */
static psn_pickling *
begin(psn_codec *codec)
{
    psn_pickling *pickling = atomic_exchange(&codec->idle, NULL);
    if (pickling != NULL) {
        pickling->sink->codec = codec;
        return pickling;
    }
    pickling = PyMem_Malloc(sizeof *pickling);
    if (pickling == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    pickling->sink = psn_sink_new(codec);
    if (pickling->sink == NULL) {
        PyMem_Free(pickling);
        return NULL;
    }
    pickling->pickler = make_pickler(codec, pickling->sink);
    if (pickling->pickler == NULL) {
        dispose(pickling);
        return NULL;
    }
    return pickling;
}

/* Lets the pickler of a message rest, or throws it away.  Never fails. */
static void
finish(psn_codec *codec, psn_pickling *pickling, Py_ssize_t message_size)
{
    psn_pickling *none = NULL;

    if (message_size <= KEEP_PICKLER_MAX) {
        PyObject *done = PyObject_CallMethodNoArgs(pickling->pickler, codec->name_clear_memo);
        if (done == NULL)
            PyErr_Clear();
        else if (atomic_compare_exchange_strong(&codec->idle, &none, pickling))
            pickling = NULL;
        Py_XDECREF(done);
    }
    dispose(pickling);
}

/* Whether the class itself, not a base of it, has expected under this name. */
static int
member_is(psn_codec *codec, PyObject *name, PyObject *expected)
{
    PyObject *member = PyObject_GetItem(codec->forking_members, name);
    if (member == NULL) {
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(member); /* the class holds it */
    return member == expected;
}

/* Whether ForkingPickler pickles as the standard library made it. */
static int
is_stock(psn_codec *codec)
{
    return codec->stock_init != NULL
           && PyObject_Size(codec->forking_members) == codec->stock_size
           && member_is(codec, codec->name_init, codec->stock_init)
           && member_is(codec, codec->name_dumps, codec->stock_dumps);
}

/* The way around for a changed ForkingPickler: whatever its dumps gives is the pickle. */
static int
encode_by_class(psn_codec *codec, PyObject *obj, psn_encoded *out)
{
    PyObject *pickle = PyObject_CallMethodOneArg(codec->forking_pickler, codec->name_dumps, obj);
    if (pickle == NULL)
        return -1;
    out->owner = PyBytes_FromObject(pickle);
    Py_DECREF(pickle);
    if (out->owner == NULL)
        return -1;
    out->kind = PSN_KIND_PICKLE;
    out->data = PyBytes_AS_STRING(out->owner);
    out->size = PyBytes_GET_SIZE(out->owner);
    return 0;
}

static int
encode_by_pickler(psn_codec *codec, PyObject *obj, psn_encoded *out)
{
    psn_pickling *pickling = begin(codec);
    if (pickling == NULL)
        return -1;
    PyObject *done = PyObject_CallMethodOneArg(pickling->pickler, codec->name_dump, obj);
    if (done == NULL) {
        PyObject *exception = take_exception();
        dispose(pickling); /* may run the destructors of what was being pickled */
        give_back_exception(exception);
        return -1;
    }
    Py_DECREF(done);
    psn_sink_deliver(pickling->sink, out);
    finish(codec, pickling, out->size);
    return 0;
}

/* What goes by value where the other processes lack our __main__. */
static int
needs_main(psn_codec *codec, const psn_encoded *out)
{
    return atomic_load(&codec->main_by_value)
           && psn_names_main(out->data, out->size);
}

/* A finalizer may still send something when the module has been cleared at the interpreter's end. */
static int
require_ready(psn_codec *codec)
{
    if (codec->forking_pickler != NULL)
        return 0;
    PyErr_SetString(PyExc_RuntimeError,
                    "objects cannot be sent or received any more: the interpreter is shutting down");
    return -1;
}

int
psn_pickle_encode(psn_codec *codec, PyObject *obj, psn_encoded *out)
{
    if (require_ready(codec) < 0)
        return -1;
    int status = is_stock(codec) ? encode_by_pickler(codec, obj, out)
                                 : encode_by_class(codec, obj, out);
    if (status < 0)
        return psn_encode_by_fallback(codec, obj, out);
    return needs_main(codec, out) ? psn_encode_main_by_value(codec, obj, out) : 0;
}

static PyObject *
call_loads(psn_codec *codec, PyObject *loads, PyObject *data, PyObject *buffers)
{
    PyObject *args[] = {data, buffers};
    return PyObject_Vectorcall(loads, args, 1, buffers == NULL ? NULL : codec->buffers_keyword);
}

/* Loads without copying the pickle first.  The C unpickler copies what it takes and keeps no view;
 * should there be one all the same, release() raises BufferError rather than let it dangle. */
static PyObject *
load_in_place(psn_codec *codec, PyObject *loads, const char *data, Py_ssize_t size,
              PyObject *buffers)
{
    PyObject *view = PyMemoryView_FromMemory((char *)(uintptr_t)data, size, PyBUF_READ);
    if (view == NULL)
        return NULL;
    PyObject *obj = call_loads(codec, loads, view, buffers);
    PyObject *exception = obj == NULL ? take_exception() : NULL;
    PyObject *released = PyObject_CallMethodNoArgs(view, codec->name_release);
    Py_DECREF(view);
    if (exception != NULL) {
        if (released == NULL)
            PyErr_Clear();
        give_back_exception(exception);
    } else if (released == NULL) {
        Py_CLEAR(obj);
    }
    Py_XDECREF(released);
    return obj;
}

PyObject *
psn_pickle_decode(psn_codec *codec, const char *data, Py_ssize_t size, PyObject *buffers)
{
    PyObject *obj = NULL;
    if (require_ready(codec) < 0)
        return NULL;
    PyObject *loads = PyObject_GetAttr(codec->forking_pickler, codec->name_loads);
    if (loads == NULL)
        return NULL;
    if (loads == codec->stock_loads && size > COPY_TO_LOAD_MAX) {
        obj = load_in_place(codec, loads, data, size, buffers);
    } else {
        PyObject *copy = PyBytes_FromStringAndSize(data, size);
        if (copy != NULL)
            obj = call_loads(codec, loads, copy, buffers);
        Py_XDECREF(copy);
    }
    Py_DECREF(loads);
    return obj;
}

/* A member of the class as it stands there, if the standard library's own module defined it (a
 * function, or a classmethod around one); else NULL.  Clears exceptions. */
static PyObject *
stock_member(psn_codec *codec, PyObject *name)
{
    PyObject *member = PyObject_GetItem(codec->forking_members, name);
    PyObject *function = member == NULL ? NULL : PyObject_GetAttrString(member, "__func__");
    if (function == NULL) {
        PyErr_Clear();
        function = Py_XNewRef(member);
    }
    PyObject *home = function == NULL ? NULL : PyObject_GetAttrString(function, "__module__");
    if (home == NULL || !PyUnicode_Check(home)
        || PyUnicode_CompareWithASCIIString(home, "multiprocessing.reduction") != 0)
        Py_CLEAR(member);
    PyErr_Clear();
    Py_XDECREF(home);
    Py_XDECREF(function);
    return member;
}

/* Remembers what an unchanged ForkingPickler looks like. */
static int
learn_forking_pickler(psn_codec *codec)
{
    static const char *const hooks[] = {"dump", "persistent_id", "reducer_override"};

    codec->forking_members = PyObject_GetAttrString(codec->forking_pickler, "__dict__");
    if (codec->forking_members == NULL)
        return -1;
    codec->stock_size = PyObject_Size(codec->forking_members);
    if (codec->stock_size < 0)
        return -1;
    for (size_t i = 0; i < Py_ARRAY_LENGTH(hooks); i++) {
        if (PyMapping_HasKeyString(codec->forking_members, hooks[i]))
            return 0; /* changed before us: stock_init stays NULL */
    }
    codec->stock_dumps = stock_member(codec, codec->name_dumps);
    if (codec->stock_dumps != NULL)
        codec->stock_init = stock_member(codec, codec->name_init);
    return 0;
}

static PyObject *
import_from(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *found = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    return found;
}

static int
make_names(psn_codec *codec)
{
    const struct {
        PyObject **place;
        const char *text;
    } names[] = {
        {&codec->name_dump, "dump"},
        {&codec->name_clear_memo, "clear_memo"},
        {&codec->name_dumps, "dumps"},
        {&codec->name_init, "__init__"},
        {&codec->name_loads, "loads"},
        {&codec->name_release, "release"},
        {&codec->name_extra_reducers, "_extra_reducers"},
        {&codec->name_copyreg_table, "_copyreg_dispatch_table"},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(names); i++) {
        *names[i].place = PyUnicode_InternFromString(names[i].text);
        if (*names[i].place == NULL)
            return -1;
    }
    codec->buffers_keyword = Py_BuildValue("(s)", "buffers");
    return codec->buffers_keyword == NULL ? -1 : 0;
}

int
psn_pickle_init(psn_codec *codec)
{
    if (make_names(codec) < 0)
        return -1;
    codec->sink_type = psn_sink_make_type();
    if (codec->sink_type == NULL
        || (codec->pickler_type = import_from("_pickle", "Pickler")) == NULL
        || (codec->stock_loads = import_from("_pickle", "loads")) == NULL
        || (codec->pickling_error = import_from("_pickle", "PicklingError")) == NULL
        || (codec->forking_pickler =
                import_from("multiprocessing.reduction", "ForkingPickler")) == NULL)
        return -1;
    return learn_forking_pickler(codec);
}
