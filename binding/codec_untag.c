/* Reading values that codec_tags.c wrote.
 *
 * Every length is checked against what is left of the message before anything is made of it, and
 * every str gets the one form that the interpreter knows for its characters, so that a damaged
 * message raises ValueError, whatever its bytes.
 *
 * Messages of one program repeat their short strings, dict keys above all.  A cache of the ones
 * last seen (one place for each hash, the newcomer wins) spares the making of them and, for keys,
 * the hashing.  It is not used without the GIL.
 */
#include "codec_internal.h"

typedef struct {
    const unsigned char *start, *at, *end;
    psn_codec *codec;
} reader;

static PyObject *read_value(reader *r, int depth);

static PyObject *
damaged(const reader *r, const char *what)
{
    return psn_damaged(what, r->at - r->start);
}

static inline Py_ssize_t
left(const reader *r)
{
    return r->end - r->at;
}

/* Reads a length, whose units take at least unit bytes each.  -1 with an exception. */
static inline Py_ssize_t
read_length(reader *r, Py_ssize_t unit)
{
    Py_ssize_t length = -1;
    if (left(r) >= 1) {
        length = *r->at++;
        if (length == PSN_TAG_LONG_LENGTH) {
            uint32_t long_length = UINT32_MAX;
            if (left(r) >= (Py_ssize_t)sizeof long_length) {
                memcpy(&long_length, r->at, sizeof long_length);
                r->at += sizeof long_length;
            }
            length = (Py_ssize_t)long_length;
        }
    }
    if (length < 0 || length > left(r) / unit) {
        damaged(r, "a value is longer than the rest of the message");
        return -1;
    }
    return length;
}

/* A str of one character, which we made, as the interpreter has it: it keeps one object for each of
 * the first 256 characters.  Takes over the reference. */
static PyObject *
the_only(PyObject *text)
{
    Py_UCS4 character = PyUnicode_READ_CHAR(text, 0);
    if (character > 255)
        return text;
    Py_DECREF(text);
    return PyUnicode_FromOrdinal((int)character);
}

/* Whether one of the bytes is 128 or more. */
static int
has_high_byte(const char *data, Py_ssize_t size)
{
    uint64_t seen = 0, word;
    Py_ssize_t i = 0;
    for (; i + 8 <= size; i += 8) {
        memcpy(&word, data + i, 8);
        seen |= word;
    }
    for (; i < size; i++)
        seen |= (unsigned char)data[i];
    return (seen & UINT64_C(0x8080808080808080)) != 0;
}

PyObject *
psn_ascii_decode(const char *data, Py_ssize_t size, Py_ssize_t position)
{
    PyObject *text = PyUnicode_New(size, 127);
    if (text == NULL || size == 0)
        return text;
    char *characters = PyUnicode_DATA(text);
    memcpy(characters, data, (size_t)size);
    if (has_high_byte(characters, size)) {
        memset(characters, 0, (size_t)size); /* a str in this form must not exist, even dying */
        Py_DECREF(text);
        return psn_damaged("an ASCII string has a character above 127", position);
    }
    return size == 1 ? the_only(text) : text;
}

#ifndef Py_GIL_DISABLED
/* Of 1 to PSN_CACHED_STRING_MAX bytes. */
static size_t
cache_slot(const unsigned char *data, Py_ssize_t size)
{
    const uint64_t multiplier = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t hash = (uint64_t)size, word = 0;
    if (size >= 8) {
        for (Py_ssize_t i = 0; i + 8 < size; i += 8) {
            memcpy(&word, data + i, 8);
            hash = (hash ^ word) * multiplier;
            hash ^= hash >> 32;
        }
        memcpy(&word, data + size - 8, 8);
    } else if (size >= 4) {
        uint32_t head, tail;
        memcpy(&head, data, 4);
        memcpy(&tail, data + size - 4, 4);
        word = (uint64_t)head << 32 | tail;
    } else {
        word = (uint64_t)data[0] << 16 | (uint64_t)data[size / 2] << 8 | data[size - 1];
    }
    hash = (hash ^ word) * multiplier;
    return (size_t)(hash >> 40) & (PSN_STRING_CACHE_SLOTS - 1);
}
#endif

static PyObject *
read_ascii(reader *r)
{
    Py_ssize_t length = read_length(r, 1);
    if (length < 0)
        return NULL;
    const char *data = (const char *)r->at;
    Py_ssize_t position = r->at - r->start;
    r->at += length;
#ifndef Py_GIL_DISABLED
    if (length > 0 && length <= PSN_CACHED_STRING_MAX) {
        PyObject **slot = &r->codec->strings[cache_slot((const unsigned char *)data, length)];
        PyObject *known = *slot;
        if (known != NULL && PyUnicode_GET_LENGTH(known) == length
            && memcmp(PyUnicode_DATA(known), data, (size_t)length) == 0)
            return Py_NewRef(known);
        PyObject *text = psn_ascii_decode(data, length, position);
        if (text != NULL)
            Py_XSETREF(*slot, Py_NewRef(text));
        return text;
    }
#endif
    return psn_ascii_decode(data, length, position);
}

/* The greatest of these characters of width bytes. */
static uint32_t
greatest_of(const void *characters, Py_ssize_t length, Py_ssize_t width)
{
    const Py_UCS1 *ones = characters;
    const Py_UCS2 *twos = characters;
    const Py_UCS4 *fours = characters;
    uint32_t greatest = 0;
    for (Py_ssize_t i = 0; i < length; i++) {
        uint32_t next = width == 1 ? ones[i] : width == 2 ? twos[i] : fours[i];
        greatest = next > greatest ? next : greatest;
    }
    return greatest;
}

/* Characters of 1, 2 or 4 bytes of which one needs that width. */
static PyObject *
read_wide(reader *r, Py_ssize_t width, uint32_t at_least, uint32_t at_most)
{
    Py_ssize_t length = read_length(r, width);
    if (length == 0)
        return damaged(r, "an empty string is said to have wide characters");
    PyObject *text = length < 0 ? NULL : PyUnicode_New(length, at_most);
    if (text == NULL)
        return NULL;
    memcpy(PyUnicode_DATA(text), r->at, (size_t)(length * width));
    uint32_t greatest = greatest_of(PyUnicode_DATA(text), length, width);
    if (greatest < at_least || greatest > at_most) {
        memset(PyUnicode_DATA(text), 0, (size_t)(length * width));
        Py_DECREF(text);
        return damaged(r, "the characters of a string do not fit its width");
    }
    r->at += length * width;
    return length == 1 ? the_only(text) : text;
}

static PyObject *
read_bytes(reader *r)
{
    Py_ssize_t length = read_length(r, 1);
    if (length < 0)
        return NULL;
    const char *data = (const char *)r->at;
    r->at += length;
    return PyBytes_FromStringAndSize(data, length);
}

static PyObject *
read_tuple(reader *r, int depth)
{
    Py_ssize_t length = read_length(r, 1);
    PyObject *tuple = length < 0 ? NULL : PyTuple_New(length);
    for (Py_ssize_t i = 0; tuple != NULL && i < length; i++) {
        PyObject *item = read_value(r, depth + 1);
        if (item != NULL)
            PyTuple_SET_ITEM(tuple, i, item);
        else
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *
read_list(reader *r, int depth)
{
    Py_ssize_t length = read_length(r, 1);
    PyObject *list = length < 0 ? NULL : PyList_New(length);
    for (Py_ssize_t i = 0; list != NULL && i < length; i++) {
        PyObject *item = read_value(r, depth + 1);
        if (item != NULL)
            PyList_SET_ITEM(list, i, item);
        else
            Py_CLEAR(list);
    }
    return list;
}

static int
read_pair(reader *r, PyObject *dict, int depth)
{
    int result = -1;
    PyObject *key = read_value(r, depth + 1);
    PyObject *value = key == NULL ? NULL : read_value(r, depth + 1);
    if (value != NULL) {
        result = PyDict_SetItem(dict, key, value);
        if (result < 0 && PyErr_ExceptionMatches(PyExc_TypeError))
            damaged(r, "the key of a dict is not hashable");
    }
    Py_XDECREF(key);
    Py_XDECREF(value);
    return result;
}

static PyObject *
read_dict(reader *r, int depth)
{
    Py_ssize_t length = read_length(r, 2);
    PyObject *dict = length < 0 ? NULL : PyDict_New();
    for (Py_ssize_t i = 0; dict != NULL && i < length; i++) {
        if (read_pair(r, dict, depth) < 0)
            Py_CLEAR(dict);
    }
    if (dict != NULL && PyDict_GET_SIZE(dict) != length) {
        Py_DECREF(dict);
        return damaged(r, "a dict has a key twice");
    }
    return dict;
}

static PyObject *
read_int(reader *r, Py_ssize_t width)
{
    int8_t small;
    int32_t narrow;
    int64_t wide;
    const unsigned char *data = r->at;
    if (left(r) < width)
        return damaged(r, "a number is cut off");
    r->at += width;
    switch (width) {
    case 1:
        memcpy(&small, data, sizeof small);
        return PyLong_FromLong(small);
    case 4:
        memcpy(&narrow, data, sizeof narrow);
        return PyLong_FromLong(narrow);
    default:
        memcpy(&wide, data, sizeof wide);
        return PyLong_FromLongLong(wide);
    }
}

static PyObject *
read_float(reader *r)
{
    double value;
    if (left(r) < (Py_ssize_t)sizeof value)
        return damaged(r, "a number is cut off");
    memcpy(&value, r->at, sizeof value);
    r->at += sizeof value;
    return PyFloat_FromDouble(value);
}

static PyObject *
read_container(reader *r, int tag, int depth)
{
    if (depth >= PSN_TAGS_DEPTH_MAX)
        return damaged(r, "containers are nested too deeply");
    switch (tag) {
    case PSN_TAG_TUPLE:
        return read_tuple(r, depth);
    case PSN_TAG_LIST:
        return read_list(r, depth);
    case PSN_TAG_DICT:
        return read_dict(r, depth);
    default:
        return damaged(r, "an unknown tag stands before a value");
    }
}

static PyObject *
read_value(reader *r, int depth)
{
    if (left(r) < 1)
        return damaged(r, "a value is missing");
    int tag = *r->at++;
    switch (tag) {
    case PSN_TAG_NONE:
        return Py_NewRef(Py_None);
    case PSN_TAG_FALSE:
        return Py_NewRef(Py_False);
    case PSN_TAG_TRUE:
        return Py_NewRef(Py_True);
    case PSN_TAG_INT8:
        return read_int(r, 1);
    case PSN_TAG_INT32:
        return read_int(r, 4);
    case PSN_TAG_INT64:
        return read_int(r, 8);
    case PSN_TAG_FLOAT:
        return read_float(r);
    case PSN_TAG_ASCII:
        return read_ascii(r);
    case PSN_TAG_LATIN1:
        return read_wide(r, 1, 0x80, 0xFF);
    case PSN_TAG_UCS2:
        return read_wide(r, 2, 0x100, 0xFFFF);
    case PSN_TAG_UCS4:
        return read_wide(r, 4, 0x10000, 0x10FFFF);
    case PSN_TAG_BYTES:
        return read_bytes(r);
    default:
        return read_container(r, tag, depth);
    }
}

PyObject *
psn_tags_decode(psn_codec *codec, const char *data, Py_ssize_t size)
{
    const unsigned char *start = (const unsigned char *)data;
    reader r = {start, start, start + size, codec};
    PyObject *value = read_value(&r, 0);
    if (value != NULL && r.at != r.end) {
        Py_DECREF(value);
        return damaged(&r, "something follows the value");
    }
    return value;
}
