/* The serializer: Python objects to messages and back.
 *
 * Three ways, tried in this order, each giving back what the standard library's pickling would:
 *   1. a lone bytes or ASCII str: its memory is the payload, nothing is copied (kinds 4 and 5);
 *   2. tags: exact types None, bool, int, float, str, bytes, tuple, list, dict, written by hand;
 *   3. pickle protocol 5, by the interpreter's own C pickler, with the reducers that were
 *      registered with multiprocessing.reduction.ForkingPickler and large buffers out of band.
 *
 * A message is (kind, payload, buffers).  It is read by another process of the same machine and
 * the same build, so numbers are in native byte order.
 */
#ifndef PROCESSION_CODEC_H
#define PROCESSION_CODEC_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdatomic.h>
#include <stdint.h>

enum {
    PSN_KIND_BYTES = 1,        /* raw bytes of send_bytes: written and read by the channel */
    PSN_KIND_TAGS = 2,         /* one value, as codec_tags.c writes it */
    PSN_KIND_PICKLE = 3,       /* a pickle, and the buffers that it names */
    PSN_KIND_BYTES_OBJECT = 4, /* the contents of one exact bytes object */
    PSN_KIND_ASCII_OBJECT = 5  /* the characters of one exact, pure ASCII str */
};

enum {
    PSN_OUT_OF_BAND_MIN = 32 * 1024, /* bytes; smaller buffers travel inside the pickle */
    PSN_OUT_OF_BAND_MAX_COUNT = 1024,
    PSN_INLINE_SIZE = 1024,     /* bytes of payload that need no heap */
    PSN_STRING_CACHE_SLOTS = 1024 /* a power of two */
};

/* A pickler at rest, ready to be used again. */
typedef struct psn_pickling psn_pickling;

/* What the serializer needs of one interpreter.  Lives in the module's state. */
typedef struct {
    PyObject *pickler_type;    /* _pickle.Pickler */
    PyObject *pickling_error;  /* pickle.PicklingError */
    PyObject *sink_type;       /* what a pickler writes to, see codec_sink.c */
    PyObject *forking_pickler; /* multiprocessing.reduction.ForkingPickler */
    PyObject *forking_members; /* its __dict__, a live view */
    PyObject *stock_init;      /* its __init__ and dumps as the standard library made them; */
    PyObject *stock_dumps;     /* both NULL when somebody had changed them before us */
    Py_ssize_t stock_size;     /* number of its members then */
    PyObject *stock_loads;     /* _pickle.loads */
    PyObject *fallback;        /* callable or NULL; read and written under fallback_lock */
    /* Whether other processes may lack our __main__: then a pickle that names it is not sent. */
    _Atomic(int) main_by_value;
#ifdef Py_GIL_DISABLED
    PyMutex fallback_lock;
#endif
    /* NULL while in use: whoever finds it so makes one of its own, hence re-entrancy is safe. */
    _Atomic(psn_pickling *) idle;
    PyObject *name_dump, *name_clear_memo, *name_dumps, *name_init, *name_loads, *name_release;
    PyObject *name_extra_reducers, *name_copyreg_table;
    PyObject *buffers_keyword; /* ("buffers",) */
    /* Recently decoded short ASCII strings; unused without the GIL.  A cache only. */
    PyObject *strings[PSN_STRING_CACHE_SLOTS];
} psn_codec;

/* An encoded object.  Must not be moved: data may point into small.
 * Of the buffers only buf and len are meant for the reader. */
typedef struct {
    uint16_t kind;
    const char *data; /* the inline payload */
    Py_ssize_t size;  /* bytes */
    Py_ssize_t buffer_count;
    Py_buffer *buffers; /* out of band, each contiguous and at least PSN_OUT_OF_BAND_MIN bytes */
    /* private */
    PyObject *owner; /* whose memory data is, or NULL */
    char *heap;      /* from PyMem_Malloc, or NULL */
    char small[PSN_INLINE_SIZE];
} psn_encoded;

/* Imports what pickling needs, for as long as the process lives.  0, or -1 with an exception. */
int psn_codec_init(psn_codec *codec);

/* Sets who is asked when the pickler refuses an object: fallback(obj, buffer_callback) -> bytes,
 * a pickle.  None or NULL: nobody. */
void psn_codec_set_fallback(psn_codec *codec, PyObject *fallback);

/* Sets whether a pickle that names the module __main__ is refused and the fallback asked in its
 * place.  Costs a search through each pickle, and nothing where tags do. */
void psn_codec_set_main_by_value(psn_codec *codec, int by_value);

/* Encodes obj.  0, or -1 with the exception of the pickling and nothing to clear.  May run
 * arbitrary Python code, so never call it with a lock held. */
int psn_encode(psn_codec *codec, PyObject *obj, psn_encoded *out);
void psn_encoded_clear(psn_encoded *encoded);

/* Decodes a message.  data may die afterwards: nothing keeps a view of it.  buffers is a borrowed
 * tuple or list of buffer objects, which the result may keep, or NULL.  A damaged message raises
 * ValueError or what unpickling raises. */
PyObject *psn_decode(psn_codec *codec, uint16_t kind, const char *data, Py_ssize_t size,
                     PyObject *buffers);

/* The module's functions for tests and for the Python layers; module.c lists them and defines
 * psn_module_codec, which finds the codec in the module's state. */
psn_codec *psn_module_codec(PyObject *module);
PyObject *psn_py_encode(PyObject *module, PyObject *obj);
PyObject *psn_py_decode(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *psn_py_set_fallback(PyObject *module, PyObject *fallback);
PyObject *psn_py_set_main_by_value(PyObject *module, PyObject *by_value);

extern const char psn_py_encode_doc[];
extern const char psn_py_decode_doc[];
extern const char psn_py_set_fallback_doc[];
extern const char psn_py_set_main_by_value_doc[];

/* For the module's table of methods. */
#define PSN_CODEC_METHODS                                                                         \
    {"_encode", psn_py_encode, METH_O, psn_py_encode_doc},                                        \
    {"_decode", (PyCFunction)(void (*)(void))psn_py_decode, METH_FASTCALL, psn_py_decode_doc},    \
    {"_set_fallback", psn_py_set_fallback, METH_O, psn_py_set_fallback_doc},                      \
    {"_set_main_by_value", psn_py_set_main_by_value, METH_O, psn_py_set_main_by_value_doc}

#endif
