/* Messages to objects: each block of a taken message gets an owner, or is given back. */
#include "message_form.h"

#include <string.h>

uint64_t
psn_message_bytes(const psn_message *message)
{
    uint64_t bytes = message->size;
    for (uint32_t i = 0; i < message->slice_count; i++) {
        if (message->slices[i].ref != 0) /* else it lies behind the payload */
            bytes += message->slices[i].length;
    }
    return bytes;
}

void
psn_message_discard(psn_segment *segment, const psn_message *message)
{
    for (uint32_t i = 0; i < message->slice_count; i++) {
        if (message->slices[i].ref != 0) {
            psn_hold *hold;
            if (psn_hold_open(segment, message->slices[i], &hold) == PSN_OK)
                psn_hold_release(hold);
        }
    }
}

static int
damaged(void)
{
    PyErr_SetString(PyExc_ValueError, "a received message is damaged: its parts do not add up");
    return -1;
}

/* The payload and buffers of a message: a tuple of Buffer and bytearray objects (or NULL), the
 * first of which is the payload when it came in a block. */
typedef struct {
    const char *data;
    Py_ssize_t size;
    PyObject *buffers; /* without the payload's */
    PyObject *payload; /* the payload's block, or NULL */
} psn_parts;

static void
parts_clear(psn_parts *parts)
{
    Py_CLEAR(parts->buffers);
    Py_CLEAR(parts->payload);
}

static PyObject *
next_buffer(psn_segment *segment, psn_slice slice, const char **tail, const char *end)
{
    if (slice.ref != 0)
        return psn_buffer_new(segment, slice);
    size_t length = (size_t)slice.length;
    if (length > (size_t)(end - *tail) || psn_tail_aligned(length) > (size_t)(end - *tail)) {
        damaged();
        return NULL;
    }
    PyObject *copy = PyByteArray_FromStringAndSize(*tail, (Py_ssize_t)length);
    *tail += psn_tail_aligned(length);
    return copy;
}

static int
split_inline(const psn_message *message, psn_parts *parts, const char **tail, const char **end)
{
    parts->data = message->data;
    parts->size = (Py_ssize_t)message->size;
    *end = parts->data + parts->size;
    *tail = *end;
    if ((message->kind & PSN_WITH_TAIL) != 0) {
        uint64_t size;
        if (message->size < PSN_TAIL_ALIGN)
            return damaged();
        memcpy(&size, message->data, sizeof size);
        if (size > message->size || psn_tail_aligned((size_t)size) > message->size - PSN_TAIL_ALIGN)
            return damaged();
        parts->data += PSN_TAIL_ALIGN;
        parts->size = (Py_ssize_t)size;
        *tail = parts->data + psn_tail_aligned((size_t)size);
    }
    return 0;
}

/* Every block of the message has an owner afterwards, or is given back. */
static int
open_parts(psn_segment *segment, const psn_message *message, psn_parts *parts)
{
    const char *tail, *end;
    bool in_block = (message->kind & PSN_IN_BLOCK) != 0;
    *parts = (psn_parts){NULL, 0, NULL, NULL};
    uint32_t next = 0;
    int result = split_inline(message, parts, &tail, &end);
    if (result == 0 && in_block) {
        if (message->slice_count == 0)
            return damaged();
        parts->payload = psn_buffer_new(segment, message->slices[next++]);
        result = parts->payload == NULL ? -1 : 0;
        if (result == 0) {
            parts->data = psn_buffer_address(parts->payload);
            parts->size = (Py_ssize_t)(message->slices[0].length & ~PSN_SLICE_PRIVATE);
        }
    }
    if (result == 0 && message->slice_count > in_block) {
        parts->buffers = PyTuple_New((Py_ssize_t)message->slice_count - in_block);
        result = parts->buffers == NULL ? -1 : 0;
    }
    for (; result == 0 && next < message->slice_count; next++) {
        PyObject *buffer = next_buffer(segment, message->slices[next], &tail, end);
        if (buffer == NULL)
            result = -1;
        else
            PyTuple_SET_ITEM(parts->buffers, (Py_ssize_t)next - in_block, buffer);
    }
    if (result < 0) {
        psn_message rest = *message;
        rest.slices += next;
        rest.slice_count = (uint16_t)(message->slice_count - next);
        psn_message_discard(segment, &rest);
        parts_clear(parts);
    }
    return result;
}

bool
psn_message_is_bytes(const psn_message *message)
{
    return (message->kind & PSN_KIND_MASK) == PSN_KIND_BYTES;
}

PyObject *
psn_message_decode(psn_segment *segment, const psn_message *message)
{
    psn_codec *codec = &psn_module_state.codec;
    if (message->slice_count == 0 && (message->kind & PSN_WITH_TAIL) == 0)
        return psn_decode(codec, message->kind, message->data, (Py_ssize_t)message->size, NULL);
    psn_parts parts;
    if (open_parts(segment, message, &parts) < 0)
        return NULL;
    PyObject *obj = psn_decode(codec, (uint16_t)(message->kind & PSN_KIND_MASK), parts.data,
                               parts.size, parts.buffers);
    parts_clear(&parts);
    return obj;
}

/* The bytes that the standard library would have put on the wire for the object. */
static int
view_pickled(psn_segment *segment, const psn_message *message, psn_view *view)
{
    PyObject *obj = psn_message_decode(segment, message);
    if (obj == NULL)
        return -1;
    view->owner = PyObject_CallMethod(psn_module_state.codec.forking_pickler, "dumps", "O", obj);
    Py_DECREF(obj);
    if (view->owner == NULL)
        return -1;
    PyObject *bytes = PyBytes_FromObject(view->owner);
    Py_SETREF(view->owner, bytes);
    if (bytes == NULL)
        return -1;
    view->data = PyBytes_AS_STRING(bytes);
    view->size = PyBytes_GET_SIZE(bytes);
    return 0;
}

int
psn_message_view(psn_segment *segment, const psn_message *message, psn_view *view)
{
    psn_parts parts;
    if ((message->kind & PSN_KIND_MASK) != PSN_KIND_BYTES)
        return view_pickled(segment, message, view);
    if (open_parts(segment, message, &parts) < 0)
        return -1;
    view->data = parts.data;
    view->size = parts.size;
    view->owner = parts.payload;
    Py_CLEAR(parts.buffers);
    return 0;
}

void
psn_view_release(psn_view *view)
{
    Py_CLEAR(view->owner);
}
