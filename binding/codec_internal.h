/* What the files of the serializer share.  Include this one only from codec*.c. */
#ifndef PROCESSION_CODEC_INTERNAL_H
#define PROCESSION_CODEC_INTERNAL_H

#include "codec.h"
#include "exceptions.h"

/* The first byte of each value in a message of kind PSN_KIND_TAGS; what follows it. */
typedef enum {
    PSN_TAG_NONE = 1,
    PSN_TAG_FALSE,
    PSN_TAG_TRUE,
    PSN_TAG_INT8,   /* 1 byte */
    PSN_TAG_INT32,  /* 4 bytes */
    PSN_TAG_INT64,  /* 8 bytes */
    PSN_TAG_FLOAT,  /* 8 bytes */
    PSN_TAG_ASCII,  /* length, that many characters of 1 byte, all below 128 */
    PSN_TAG_LATIN1, /* length, characters of 1 byte, the greatest at least 128 */
    PSN_TAG_UCS2,   /* length, characters of 2 bytes, the greatest at least 256 */
    PSN_TAG_UCS4,   /* length, characters of 4 bytes, the greatest at least 65536 */
    PSN_TAG_BYTES,  /* length, bytes */
    PSN_TAG_TUPLE,  /* length, values */
    PSN_TAG_LIST,   /* length, values */
    PSN_TAG_DICT    /* length, that many pairs of key and value */
} psn_tag;

enum {
    PSN_TAGS_DEPTH_MAX = 16,       /* containers in containers; deeper ones are pickled */
    PSN_TAG_LONG_LENGTH = 255,     /* lengths below this are one byte; others 255 and 4 bytes */
    PSN_CACHED_STRING_MAX = 32     /* characters */
};

/* 1 when encoded, 0 when the object is none for tags, -1 with an exception. */
int psn_tags_encode(PyObject *obj, psn_encoded *out);
PyObject *psn_tags_decode(psn_codec *codec, const char *data, Py_ssize_t size);

/* A new str of size ASCII characters; position is where they stand in the message. */
PyObject *psn_ascii_decode(const char *data, Py_ssize_t size, Py_ssize_t position);

/* Raises the ValueError for a damaged message; always NULL. */
PyObject *psn_damaged(const char *what, Py_ssize_t position);

/* A new reference to the fallback, or NULL without an exception. */
PyObject *psn_codec_fallback(psn_codec *codec);

/* Whether a pickle of protocol 5 may name the module __main__: its functions and classes by
 * reference do, with this opcode and text.  A lone str of that text does too, and is taken for one. */
int psn_names_main(const char *data, Py_ssize_t size);

/* Replaces an encoded object, whose pickle names __main__, by what the fallback makes of it. */
int psn_encode_main_by_value(psn_codec *codec, PyObject *obj, psn_encoded *out);

/* Called with the exception of a failed pickling: asks the fallback, or adds a note.  0 or -1. */
int psn_encode_by_fallback(psn_codec *codec, PyObject *obj, psn_encoded *out);

int psn_pickle_init(psn_codec *codec);
int psn_pickle_encode(psn_codec *codec, PyObject *obj, psn_encoded *out);
PyObject *psn_pickle_decode(psn_codec *codec, const char *data, Py_ssize_t size,
                            PyObject *buffers);

/* The sink: the one object of ours that a pickler talks to. */
typedef struct {
    PyObject_HEAD
    psn_codec *codec; /* NULL when closed: a callback that was kept too long is refused */
    PyObject *first;  /* the chunk, as long as there is only one */
    char *heap;       /* all chunks, from the second on */
    Py_ssize_t heap_size, heap_capacity;
    Py_buffer *buffers; /* NULL or PSN_OUT_OF_BAND_MAX_COUNT places */
    Py_ssize_t buffer_count;
} psn_sink;

PyObject *psn_sink_make_type(void);
psn_sink *psn_sink_new(psn_codec *codec);
/* Drops what was written and closes the sink. */
void psn_sink_reset(psn_sink *sink);
/* Moves what was written to out and closes the sink. */
void psn_sink_deliver(psn_sink *sink, psn_encoded *out);

#endif
