/* The serializer's front: chooses the way, keeps the state, frees what was encoded. */
#include "codec_internal.h"

static void
lock_fallback(psn_codec *codec)
{
#ifdef Py_GIL_DISABLED
    PyMutex_Lock(&codec->fallback_lock);
#else
    (void)codec;
#endif
}

static void
unlock_fallback(psn_codec *codec)
{
#ifdef Py_GIL_DISABLED
    PyMutex_Unlock(&codec->fallback_lock);
#else
    (void)codec;
#endif
}

int
psn_codec_init(psn_codec *codec)
{
    memset(codec, 0, sizeof *codec);
    return psn_pickle_init(codec);
}

void
psn_codec_set_fallback(psn_codec *codec, PyObject *fallback)
{
    PyObject *fresh = fallback == Py_None ? NULL : Py_XNewRef(fallback);

    lock_fallback(codec);
    PyObject *stale = codec->fallback;
    codec->fallback = fresh;
    unlock_fallback(codec);
    Py_XDECREF(stale);
}

void
psn_codec_set_main_by_value(psn_codec *codec, int by_value)
{
    atomic_store(&codec->main_by_value, by_value);
}

PyObject *
psn_codec_fallback(psn_codec *codec)
{
    lock_fallback(codec);
    PyObject *fallback = Py_XNewRef(codec->fallback);
    unlock_fallback(codec);
    return fallback;
}

/* The object's own memory is the payload.  Both types are immutable, a reference is enough. */
static int
encode_in_place(PyObject *obj, uint16_t kind, const char *data, Py_ssize_t size, psn_encoded *out)
{
    out->kind = kind;
    out->data = data;
    out->size = size;
    out->owner = Py_NewRef(obj);
    return 0;
}

int
psn_encode(psn_codec *codec, PyObject *obj, psn_encoded *out)
{
    out->buffer_count = 0;
    out->buffers = NULL;
    out->owner = NULL;
    out->heap = NULL;
    if (PyBytes_CheckExact(obj))
        return encode_in_place(obj, PSN_KIND_BYTES_OBJECT, PyBytes_AS_STRING(obj),
                               PyBytes_GET_SIZE(obj), out);
    if (PyUnicode_CheckExact(obj) && PyUnicode_IS_COMPACT_ASCII(obj))
        return encode_in_place(obj, PSN_KIND_ASCII_OBJECT, PyUnicode_DATA(obj),
                               PyUnicode_GET_LENGTH(obj), out);
    int outcome = psn_tags_encode(obj, out);
    if (outcome != 0)
        return outcome > 0 ? 0 : -1;
    return psn_pickle_encode(codec, obj, out);
}

void
psn_encoded_clear(psn_encoded *encoded)
{
    for (Py_ssize_t i = 0; i < encoded->buffer_count; i++)
        PyBuffer_Release(&encoded->buffers[i]);
    encoded->buffer_count = 0;
    if (encoded->buffers != NULL) {
        PyMem_Free(encoded->buffers);
        encoded->buffers = NULL;
    }
    Py_CLEAR(encoded->owner);
    if (encoded->heap != NULL) {
        PyMem_Free(encoded->heap);
        encoded->heap = NULL;
    }
    encoded->data = NULL;
    encoded->size = 0;
}

PyObject *
psn_decode(psn_codec *codec, uint16_t kind, const char *data, Py_ssize_t size, PyObject *buffers)
{
    switch (kind) {
    case PSN_KIND_TAGS:
        return psn_tags_decode(codec, data, size);
    case PSN_KIND_PICKLE:
        return psn_pickle_decode(codec, data, size, buffers);
    case PSN_KIND_BYTES:
    case PSN_KIND_BYTES_OBJECT:
        return PyBytes_FromStringAndSize(data, size);
    case PSN_KIND_ASCII_OBJECT:
        return psn_ascii_decode(data, size, 0);
    default:
        PyErr_Format(PyExc_ValueError,
                     "a message of kind %d arrived, which this version of procession does not "
                     "know; do all processes run the same version?",
                     (int)kind);
        return NULL;
    }
}

PyObject *
psn_damaged(const char *what, Py_ssize_t position)
{
    PyErr_Format(PyExc_ValueError,
                 "a message is damaged: %s at byte %zd; its memory was overwritten, or its sender "
                 "runs another version of procession",
                 what, position);
    return NULL;
}
