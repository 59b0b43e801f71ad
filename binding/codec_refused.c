/* What happens when an object will not be pickled.
 *
 * First the fallback is asked, if there is one (code by value: functions and classes that the other
 * process cannot import).  If it fails too, the caller gets the exception that tells more, with a
 * note that says what to do: that pickle finds no function or class of some name is no reason, since
 * those go by value, but what they carry may be.
 */
#include "codec_internal.h"

/* Whether another pickler might do better: not after MemoryError, or an error of the object. */
static int
is_worth_another_try(psn_codec *codec, PyObject *exception)
{
    return PyErr_GivenExceptionMatches(exception, codec->pickling_error)
           || PyErr_GivenExceptionMatches(exception, PyExc_AttributeError)
           || PyErr_GivenExceptionMatches(exception, PyExc_TypeError);
}

static int
take_pickle(PyObject *pickle, psn_sink *sink, psn_encoded *out)
{
    if (!PyBytes_CheckExact(pickle)) {
        PyErr_Format(PyExc_TypeError, "the fallback for pickling returned %.100s, not bytes",
                     Py_TYPE(pickle)->tp_name);
        return -1;
    }
    psn_sink_deliver(sink, out);
    Py_XDECREF(out->owner); /* nothing, unless the fallback took the callback for a file */
    out->owner = Py_NewRef(pickle);
    out->data = PyBytes_AS_STRING(pickle);
    out->size = PyBytes_GET_SIZE(pickle);
    return 0;
}

static int
ask(psn_codec *codec, PyObject *fallback, PyObject *obj, psn_encoded *out)
{
    psn_sink *sink = psn_sink_new(codec);
    if (sink == NULL)
        return -1;
    int status = -1;
    PyObject *pickle = PyObject_CallFunctionObjArgs(fallback, obj, (PyObject *)sink, NULL);
    if (pickle != NULL)
        status = take_pickle(pickle, sink, out);
    Py_XDECREF(pickle);
    PyObject *exception = status < 0 ? take_exception() : NULL;
    psn_sink_reset(sink); /* somebody may have kept it */
    Py_DECREF(sink);
    if (exception != NULL)
        give_back_exception(exception);
    return status;
}

/* Notes came with Python 3.11. */
static void
add_note(PyObject *exception, PyObject *obj)
{
#if PY_VERSION_HEX >= 0x030B0000
    if (!PyErr_GivenExceptionMatches(exception, PyExc_Exception))
        return;
    PyObject *done = NULL;
    PyObject *note = PyUnicode_FromFormat(
        "procession could not send an object of type '%.200s': it, or something inside of it, "
        "cannot be pickled. Send what it is made from instead (a path for an open file), give its "
        "class a __reduce__ method, or register a reducer with "
        "multiprocessing.reduction.ForkingPickler.register().",
        Py_TYPE(obj)->tp_name);
    if (note != NULL) {
        done = PyObject_CallMethod(exception, "add_note", "O", note);
        Py_DECREF(note);
    }
    if (done == NULL)
        PyErr_Clear(); /* the note is a help, the exception is the news */
    Py_XDECREF(done);
#else
    (void)exception;
    (void)obj;
#endif
}

int
psn_names_main(const char *data, Py_ssize_t size)
{
    static const char name[] = "\x8c\x08__main__"; /* SHORT_BINUNICODE, its length */
    const Py_ssize_t length = sizeof name - 1;

    while (size >= length) {
        const char *found = memchr(data, name[0], (size_t)(size - length + 1));
        if (found == NULL)
            return 0;
        if (memcmp(found, name, (size_t)length) == 0)
            return 1;
        size -= found + 1 - data;
        data = found + 1;
    }
    return 0;
}

int
psn_encode_main_by_value(psn_codec *codec, PyObject *obj, psn_encoded *out)
{
    PyObject *fallback = psn_codec_fallback(codec);
    if (fallback == NULL)
        return 0;
    psn_encoded_clear(out);
    int status = ask(codec, fallback, obj, out);
    Py_DECREF(fallback);
    if (status < 0) {
        PyObject *exception = take_exception();
        add_note(exception, obj);
        give_back_exception(exception);
    }
    return status;
}

int
psn_encode_by_fallback(psn_codec *codec, PyObject *obj, psn_encoded *out)
{
    PyObject *refusal = take_exception();
    PyObject *fallback = is_worth_another_try(codec, refusal) ? psn_codec_fallback(codec) : NULL;

    if (fallback != NULL) {
        int status = ask(codec, fallback, obj, out);
        Py_DECREF(fallback);
        if (status == 0 || !PyErr_ExceptionMatches(PyExc_Exception)) {
            Py_DECREF(refusal); /* sent after all; or Ctrl-C, which is not ours to hide */
            return status;
        }
        if (PyErr_GivenExceptionMatches(refusal, PyExc_TypeError))
            PyErr_Clear();
        else
            Py_SETREF(refusal, take_exception());
    }
    add_note(refusal, obj);
    give_back_exception(refusal);
    return -1;
}
