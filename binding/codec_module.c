/* The serializer's functions in the module: for tests, and for Python layers that keep messages. */
#include "codec_internal.h"

const char psn_py_encode_doc[] = PyDoc_STR(
    "_encode(obj, /) -> (kind, payload, buffers)\n--\n\n"
    "Encode an object as a queue would, and copy the result.\n\n"
    "Returns the kind of the message (an int), its payload (bytes) and its out-of-band\n"
    "buffers (a list of bytearray).  Raises what pickling the object raises.");

const char psn_py_decode_doc[] = PyDoc_STR(
    "_decode(kind, payload, buffers=None, /) -> object\n--\n\n"
    "Decode a message that _encode made.\n\n"
    "The result may keep the buffers (a tuple or list of buffer objects).  Raises ValueError for a\n"
    "damaged message, or what unpickling raises.");

const char psn_py_set_fallback_doc[] = PyDoc_STR(
    "_set_fallback(fallback, /) -> None\n--\n\n"
    "Set who is asked when the pickler refuses an object, or None for nobody.\n\n"
    "fallback(obj, buffer_callback) returns a pickle (bytes), or raises; then the caller gets the\n"
    "first exception.");

const char psn_py_set_main_by_value_doc[] = PyDoc_STR(
    "_set_main_by_value(by_value, /) -> None\n--\n\n"
    "Set whether an object whose pickle names the module __main__ goes to the fallback.\n\n"
    "For when other processes may not have this __main__.");

static PyObject *
copy_buffers(const psn_encoded *encoded)
{
    PyObject *list = PyList_New(encoded->buffer_count);
    for (Py_ssize_t i = 0; list != NULL && i < encoded->buffer_count; i++) {
        const Py_buffer *view = &encoded->buffers[i];
        PyObject *copy = PyByteArray_FromStringAndSize(view->buf, view->len);
        if (copy != NULL)
            PyList_SET_ITEM(list, i, copy);
        else
            Py_CLEAR(list);
    }
    return list;
}

PyObject *
psn_py_encode(PyObject *module, PyObject *obj)
{
    psn_encoded encoded;

    if (psn_encode(psn_module_codec(module), obj, &encoded) < 0)
        return NULL;
    PyObject *result = NULL;
    PyObject *buffers = copy_buffers(&encoded);
    if (buffers != NULL)
        result = Py_BuildValue("iy#N", (int)encoded.kind, encoded.data, encoded.size, buffers);
    psn_encoded_clear(&encoded);
    return result;
}

static int
read_kind(PyObject *obj, uint16_t *kind)
{
    long value = PyLong_AsLong(obj);
    if (value == -1 && PyErr_Occurred())
        return -1;
    if (value < 0 || value > UINT16_MAX) {
        PyErr_Format(PyExc_ValueError, "the kind of a message is 0 to 65535, not %ld", value);
        return -1;
    }
    *kind = (uint16_t)value;
    return 0;
}

PyObject *
psn_py_decode(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    uint16_t kind;
    Py_buffer payload;

    if (count < 2 || count > 3) {
        PyErr_Format(PyExc_TypeError, "_decode takes 2 or 3 arguments, not %zd", count);
        return NULL;
    }
    if (read_kind(args[0], &kind) < 0 || PyObject_GetBuffer(args[1], &payload, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *buffers = count == 3 && args[2] != Py_None ? args[2] : NULL;
    PyObject *result =
        psn_decode(psn_module_codec(module), kind, payload.buf, payload.len, buffers);
    PyBuffer_Release(&payload);
    return result;
}

PyObject *
psn_py_set_fallback(PyObject *module, PyObject *fallback)
{
    if (fallback != Py_None && !PyCallable_Check(fallback)) {
        PyErr_Format(PyExc_TypeError, "the fallback must be callable or None, not %.100s",
                     Py_TYPE(fallback)->tp_name);
        return NULL;
    }
    psn_codec_set_fallback(psn_module_codec(module), fallback);
    Py_RETURN_NONE;
}

PyObject *
psn_py_set_main_by_value(PyObject *module, PyObject *by_value)
{
    int truth = PyObject_IsTrue(by_value);
    if (truth < 0)
        return NULL;
    psn_codec_set_main_by_value(psn_module_codec(module), truth);
    Py_RETURN_NONE;
}
