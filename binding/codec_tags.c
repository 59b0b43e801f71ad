/* Writing values as tags: the fast way for small messages of built-in types.
 *
 * Only exact types are taken.  Pickle treats those before it asks any reducer, so nobody can have
 * overridden them and the receiver gets what pickle would have given, with one liberty:
 *
 *   Equality, not identity, of what cannot change.  A str, bytes or tuple that occurs twice
 *   may arrive as two equal objects (pickle would send one).  What can change keeps its identity:
 *   a list or dict that occurs twice in a message is left to pickle, cycles included.
 *
 * How we know that a list or dict occurs once: the containers of a message hold counted references
 * to their items, so a nested container with a reference count of 1 has one place in it.  A
 * higher count may come from outside of the message; such containers, the outermost one, and all
 * those inside of a tuple that may itself occur twice, are remembered, and meeting one again
 * means pickle, as does running out of places to remember them.  References that the interpreter
 * does not count (borrowed by its stack, immortal objects) never lower the count below the number
 * of places in containers.
 *
 * What occurs often is written each time.  So that a message cannot become much longer than its
 * pickle, a budget limits what is written of long strings and tuples with further references.
 *
 * Nothing here runs Python code or collects garbage, so under the GIL the objects stand still.
 * Without the GIL another thread may change a list that we read: then only the outermost container
 * is taken, under its own lock, and nested ones are left to pickle.
 */
#include "codec_internal.h"

enum {
    REMEMBERED_MAX = 16,
    SHORT_STRING = 64,            /* bytes; writing these again costs little more than naming them */
    REPEAT_BUDGET = 256 * 1024,   /* bytes per message */
    HEAP_SLACK = 4096
};

typedef enum { FAILED = -1, UNFIT = 0, WRITTEN = 1 } outcome;

typedef struct {
    char *at, *end;
    psn_encoded *out; /* its heap, or else its small, holds what was written */
    Py_ssize_t budget;
    int remembered_count;
    const PyObject *remembered[REMEMBERED_MAX];
} writer;

static outcome write_value(writer *w, PyObject *obj, int depth, int repeatable);

static char *
start_of(const writer *w)
{
    return w->out->heap != NULL ? w->out->heap : w->out->small;
}

static outcome
grow(writer *w, Py_ssize_t needed)
{
    Py_ssize_t size = w->at - start_of(w);
    if (needed > PY_SSIZE_T_MAX / 2 - HEAP_SLACK - size) {
        PyErr_NoMemory();
        return FAILED;
    }
    Py_ssize_t capacity = (size + needed) + (size + needed) / 2 + HEAP_SLACK;
    char *heap = PyMem_Realloc(w->out->heap, (size_t)capacity);
    if (heap == NULL) {
        PyErr_NoMemory();
        return FAILED;
    }
    if (w->out->heap == NULL)
        memcpy(heap, w->out->small, (size_t)size);
    w->out->heap = heap;
    w->at = heap + size;
    w->end = heap + capacity;
    return WRITTEN;
}

static inline outcome
make_room(writer *w, Py_ssize_t needed)
{
    return w->end - w->at >= needed ? WRITTEN : grow(w, needed);
}

static inline void
put_byte(writer *w, int byte)
{
    *w->at++ = (char)byte;
}

static inline void
put_raw(writer *w, const void *data, Py_ssize_t size)
{
    memcpy(w->at, data, (size_t)size);
    w->at += size;
}

static inline outcome
write_tag(writer *w, psn_tag tag)
{
    if (make_room(w, 1) != WRITTEN)
        return FAILED;
    put_byte(w, tag);
    return WRITTEN;
}

/* A tag and a length, with room for that many bytes more. */
static inline outcome
write_head(writer *w, psn_tag tag, Py_ssize_t length, Py_ssize_t bytes)
{
    if ((uint64_t)length > UINT32_MAX)
        return UNFIT;
    if (make_room(w, bytes + 6) != WRITTEN)
        return FAILED;
    put_byte(w, tag);
    if (length < PSN_TAG_LONG_LENGTH) {
        put_byte(w, (int)length);
    } else {
        uint32_t long_length = (uint32_t)length;
        put_byte(w, PSN_TAG_LONG_LENGTH);
        put_raw(w, &long_length, sizeof long_length);
    }
    return WRITTEN;
}

/* Whether bytes more may be spent on an object that perhaps occurs several times. */
static inline int
spend(writer *w, Py_ssize_t bytes)
{
    w->budget -= bytes;
    return w->budget >= 0;
}

static outcome
write_int(writer *w, PyObject *obj)
{
    int overflow;
    int64_t value = PyLong_AsLongLongAndOverflow(obj, &overflow);
    if (overflow != 0)
        return UNFIT;
    if (make_room(w, 9) != WRITTEN)
        return FAILED;
    if (value >= INT8_MIN && value <= INT8_MAX) {
        put_byte(w, PSN_TAG_INT8);
        put_byte(w, (int)value);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        int32_t narrow = (int32_t)value;
        put_byte(w, PSN_TAG_INT32);
        put_raw(w, &narrow, sizeof narrow);
    } else {
        put_byte(w, PSN_TAG_INT64);
        put_raw(w, &value, sizeof value);
    }
    return WRITTEN;
}

static outcome
write_float(writer *w, PyObject *obj)
{
    double value = PyFloat_AS_DOUBLE(obj);
    if (make_room(w, 9) != WRITTEN)
        return FAILED;
    put_byte(w, PSN_TAG_FLOAT);
    put_raw(w, &value, sizeof value);
    return WRITTEN;
}

/* Characters or bytes; width is the size of one. */
static inline outcome
write_string(writer *w, PyObject *obj, psn_tag tag, const void *data, Py_ssize_t length,
             Py_ssize_t width, int depth)
{
    Py_ssize_t bytes = length * width;
    if (bytes > SHORT_STRING && depth > 0 && Py_REFCNT(obj) != 1 && !spend(w, bytes))
        return UNFIT;
    outcome result = write_head(w, tag, length, bytes);
    if (result == WRITTEN)
        put_raw(w, data, bytes);
    return result;
}

static outcome
write_str(writer *w, PyObject *obj, int depth)
{
    if (PyUnicode_IS_COMPACT_ASCII(obj))
        return write_string(w, obj, PSN_TAG_ASCII, PyUnicode_DATA(obj), PyUnicode_GET_LENGTH(obj),
                            1, depth);
#if PY_VERSION_HEX < 0x030C0000
    /* The old form of str, made by extensions that are older still. */
    if (!PyUnicode_IS_READY(obj))
        return UNFIT;
#endif
    int width = (int)PyUnicode_KIND(obj);
    psn_tag tag = PyUnicode_IS_ASCII(obj) ? PSN_TAG_ASCII
                  : width == 1            ? PSN_TAG_LATIN1
                  : width == 2            ? PSN_TAG_UCS2
                                          : PSN_TAG_UCS4;
    return write_string(w, obj, tag, PyUnicode_DATA(obj), PyUnicode_GET_LENGTH(obj), width, depth);
}

/* Whether this list or dict is met for the first time; "no" also when we cannot tell. */
static inline int
is_first_visit(writer *w, const PyObject *obj, int depth, int repeatable)
{
    if (depth > 0 && !repeatable && Py_REFCNT(obj) == 1)
        return 1;
    for (int i = 0; i < w->remembered_count; i++) {
        if (w->remembered[i] == obj)
            return 0;
    }
    if (w->remembered_count == REMEMBERED_MAX)
        return 0;
    w->remembered[w->remembered_count++] = obj;
    return 1;
}

static outcome
write_tuple(writer *w, PyObject *obj, int depth, int repeatable)
{
    Py_ssize_t length = PyTuple_GET_SIZE(obj);
    Py_ssize_t before = w->at - start_of(w);
    int this_repeats = depth > 0 && Py_REFCNT(obj) != 1;
    outcome result = write_head(w, PSN_TAG_TUPLE, length, 0);

    for (Py_ssize_t i = 0; i < length && result == WRITTEN; i++)
        result = write_value(w, PyTuple_GET_ITEM(obj, i), depth + 1, repeatable || this_repeats);
    if (result == WRITTEN && this_repeats && !spend(w, w->at - start_of(w) - before))
        return UNFIT;
    return result;
}

static outcome
write_list_items(writer *w, PyObject *obj, int depth)
{
    Py_ssize_t length = PyList_GET_SIZE(obj);
    outcome result = write_head(w, PSN_TAG_LIST, length, 0);

    for (Py_ssize_t i = 0; i < length && result == WRITTEN; i++)
        result = write_value(w, PyList_GET_ITEM(obj, i), depth + 1, 0);
    return result;
}

static outcome
write_dict_items(writer *w, PyObject *obj, int depth)
{
    Py_ssize_t position = 0;
    PyObject *key, *value;
    outcome result = write_head(w, PSN_TAG_DICT, PyDict_GET_SIZE(obj), 0);

    while (result == WRITTEN && PyDict_Next(obj, &position, &key, &value)) {
        result = write_value(w, key, depth + 1, 0);
        if (result == WRITTEN)
            result = write_value(w, value, depth + 1, 0);
    }
    return result;
}

/* A list or dict. */
static outcome
write_mutable(writer *w, PyObject *obj, int depth, int repeatable)
{
    outcome result;

    if (!is_first_visit(w, obj, depth, repeatable))
        return UNFIT;
#ifdef Py_GIL_DISABLED
    if (depth > 0)
        return UNFIT;
    Py_BEGIN_CRITICAL_SECTION(obj);
#endif
    result = PyList_CheckExact(obj) ? write_list_items(w, obj, depth)
                                    : write_dict_items(w, obj, depth);
#ifdef Py_GIL_DISABLED
    Py_END_CRITICAL_SECTION();
#endif
    return result;
}

/* repeatable: the value is inside of a tuple that may occur more than once in the message. */
static outcome
write_value(writer *w, PyObject *obj, int depth, int repeatable)
{
    PyTypeObject *type = Py_TYPE(obj);

    if (type == &PyUnicode_Type)
        return write_str(w, obj, depth);
    if (type == &PyLong_Type)
        return write_int(w, obj);
    if (obj == Py_None)
        return write_tag(w, PSN_TAG_NONE);
    if (type == &PyFloat_Type)
        return write_float(w, obj);
    if (type == &PyBool_Type)
        return write_tag(w, obj == Py_True ? PSN_TAG_TRUE : PSN_TAG_FALSE);
    if (type == &PyBytes_Type)
        return write_string(w, obj, PSN_TAG_BYTES, PyBytes_AS_STRING(obj), PyBytes_GET_SIZE(obj),
                            1, depth);
    if (depth >= PSN_TAGS_DEPTH_MAX)
        return UNFIT;
    if (type == &PyTuple_Type)
        return write_tuple(w, obj, depth, repeatable);
    if (type == &PyList_Type || type == &PyDict_Type)
        return write_mutable(w, obj, depth, repeatable);
    return UNFIT;
}

int
psn_tags_encode(PyObject *obj, psn_encoded *out)
{
    writer w;
    w.at = out->small;
    w.end = out->small + PSN_INLINE_SIZE;
    w.out = out;
    w.budget = REPEAT_BUDGET;
    w.remembered_count = 0;

    outcome result = write_value(&w, obj, 0, 0);
    if (result != WRITTEN) {
        PyMem_Free(out->heap);
        out->heap = NULL;
        return result;
    }
    out->kind = PSN_KIND_TAGS;
    out->data = start_of(&w);
    out->size = w.at - out->data;
    return result;
}
