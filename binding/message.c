/* Objects to messages and back: what goes inline, what into blocks, and who owns the blocks when.
 *
 * A payload or buffer of more than PSN_INLINE_USUAL bytes is copied once, into a block of the
 * arena; the receiver reads it there.  Where the arena has no entry left (thousands of big
 * messages waiting) the bytes go inline instead: slower, never refused.
 *
 * Two bits of the message's kind say how:
 *   IN_BLOCK   the payload is not inline but the first slice
 *   WITH_TAIL  slices without a block lie behind the payload, in order, each on a multiple of 16;
 *              the payload's own size is in the first 16 bytes
 */
#include "binding.h"

#include <string.h>

#define IN_BLOCK 0x8000U
#define WITH_TAIL 0x4000U
#define KIND_MASK 0x3fffU
#define TAIL_ALIGN 16U

static size_t
aligned(size_t size)
{
    return (size + TAIL_ALIGN - 1) / TAIL_ALIGN * TAIL_ALIGN;
}

/* ---- outgoing ---- */

void
psn_outbox_init(psn_outbox *outbox, psn_segment *segment)
{
    outbox->messages = &outbox->one;
    outbox->count = outbox->put = 0;
    outbox->capacity = 1;
    outbox->segment = segment;
    outbox->has_encoded = false;
}

static psn_status
fill_block(psn_segment *segment, const void *data, Py_ssize_t size, psn_ref *ref)
{
    psn_status status;
    /* Without the GIL however small: the arena's lock may be held by a process that is stopped. */
    Py_BEGIN_ALLOW_THREADS
    status = psn_block_fill(segment, data, (uint64_t)size, ref);
    Py_END_ALLOW_THREADS
    return status;
}

static void
drop_blocks(psn_segment *segment, const psn_slice *slices, size_t count)
{
    Py_BEGIN_ALLOW_THREADS
    for (size_t i = 0; i < count; i++)
        psn_block_drop(segment, slices[i].ref);
    Py_END_ALLOW_THREADS
}

/* Copies the encoded object's big parts into blocks; a slice that gets none keeps ref 0.
 * Returns the number of slices, or -1. */
static Py_ssize_t
fill_slices(psn_segment *segment, const psn_encoded *encoded, psn_slice *slices, bool *in_block)
{
    Py_ssize_t count = 0;
    psn_status status = PSN_OK;
    *in_block = false;
    if (encoded->size > PSN_INLINE_USUAL && encoded->buffer_count < PSN_SLICES_MAX) {
        slices[0] = (psn_slice){.ref = 0, .length = (uint64_t)encoded->size};
        status = fill_block(segment, encoded->data, encoded->size, &slices[0].ref);
        *in_block = status == PSN_OK;
        count = *in_block;
    }
    for (Py_ssize_t i = 0; i < encoded->buffer_count && (status == PSN_OK || status == PSN_FULL);
         i++) {
        const Py_buffer *view = &encoded->buffers[i];
        slices[count] = (psn_slice){.ref = 0, .length = (uint64_t)view->len};
        status = fill_block(segment, view->buf, view->len, &slices[count].ref);
        count++;
    }
    if (status == PSN_OK || status == PSN_FULL)
        return count;
    drop_blocks(segment, slices, (size_t)count);
    psn_raise(status, "message");
    return -1;
}

static size_t
tail_size(const psn_slice *slices, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (slices[i].ref == 0)
            total += aligned((size_t)slices[i].length);
    }
    return total;
}

/* What the message carries inline, written out in one piece behind the slices. */
static char *
write_payload(char *to, const psn_encoded *encoded, const psn_slice *slices, size_t count,
              bool in_block, bool with_tail)
{
    uint64_t size = in_block ? 0 : (uint64_t)encoded->size;
    if (with_tail) {
        memset(to, 0, TAIL_ALIGN);
        memcpy(to, &size, sizeof size);
        to += TAIL_ALIGN;
    }
    if (size > 0)
        memcpy(to, encoded->data, (size_t)size);
    if (!with_tail)
        return to + size;
    to += aligned((size_t)size);
    for (size_t i = 0; i < count; i++) {
        if (slices[i].ref == 0) {
            memcpy(to, encoded->buffers[i - in_block].buf, (size_t)slices[i].length);
            to += aligned((size_t)slices[i].length);
        }
    }
    return to;
}

static int
too_big(size_t size)
{
    PyErr_Format(PyExc_MemoryError,
                 "message of %zu bytes: no shared block is left for it, as thousands of big "
                 "messages wait in this queue; take some out first",
                 size);
    return -1;
}

/* Gives the message memory of its own (slices, then payload). `sizes` as in write_payload. */
static int
own_copy(psn_message *message, const psn_encoded *encoded, const psn_slice *slices, size_t count,
         bool in_block)
{
    size_t tail = tail_size(slices, count);
    bool with_tail = tail > 0;
    size_t payload = in_block ? 0 : (size_t)encoded->size;
    size_t size = with_tail ? TAIL_ALIGN + aligned(payload) + tail : payload;
    if (size > PSN_INLINE_MAX)
        return too_big(size);
    char *memory = PyMem_Malloc(count * sizeof(psn_slice) + size + 1);
    if (memory == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (count > 0)
        memcpy(memory, slices, count * sizeof(psn_slice));
    char *data = memory + count * sizeof(psn_slice);
    write_payload(data, encoded, slices, count, in_block, with_tail);
    *message = (psn_message){
        .kind = (uint16_t)(encoded->kind | (in_block ? IN_BLOCK : 0) | (with_tail ? WITH_TAIL : 0)),
        .slice_count = (uint16_t)count,
        .size = (uint32_t)size,
        .data = data,
        .slices = (psn_slice *)(void *)memory,
    };
    return 0;
}

/* Makes the message of an encoded object. *borrowed: it points into `encoded` and `few`, which must
 * stay; else it has memory of its own. */
static int
make_message(psn_outbox *outbox, const psn_encoded *encoded, bool may_borrow, psn_message *message)
{
    psn_slice *slices = outbox->few;
    size_t most = (size_t)encoded->buffer_count + 1;
    if (most > sizeof outbox->few / sizeof outbox->few[0]) {
        slices = PyMem_Malloc(most * sizeof *slices);
        if (slices == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    bool in_block;
    int result = -1;
    Py_ssize_t count = fill_slices(outbox->segment, encoded, slices, &in_block);
    if (count >= 0) {
        bool simple = slices == outbox->few && tail_size(slices, (size_t)count) == 0 &&
                      (in_block || encoded->size <= PSN_INLINE_MAX);
        if (may_borrow && simple) {
            *message = (psn_message){
                .kind = (uint16_t)(encoded->kind | (in_block ? IN_BLOCK : 0)),
                .slice_count = (uint16_t)count,
                .size = in_block ? 0 : (uint32_t)encoded->size,
                .data = encoded->data,
                .slices = slices,
            };
            result = 0;
        } else {
            result = own_copy(message, encoded, slices, (size_t)count, in_block);
        }
        if (result < 0)
            drop_blocks(outbox->segment, slices, (size_t)count);
    }
    if (slices != outbox->few)
        PyMem_Free(slices);
    return result;
}

static bool
is_borrowed(const psn_outbox *outbox, const psn_message *message)
{
    return message->slices == outbox->few;
}

int
psn_outbox_one(psn_outbox *outbox, PyObject *obj)
{
    if (psn_encode(&psn_module_state.codec, obj, &outbox->encoded) < 0)
        return -1;
    outbox->has_encoded = true;
    if (PSN_INLINE_USUAL >= outbox->encoded.size && outbox->encoded.buffer_count == 0) {
        outbox->one = (psn_message){
            .kind = outbox->encoded.kind,
            .size = (uint32_t)outbox->encoded.size,
            .data = outbox->encoded.data,
            .slices = outbox->few,
        };
    } else if (make_message(outbox, &outbox->encoded, true, &outbox->one) < 0) {
        return -1;
    }
    outbox->count = 1;
    return 0;
}

int
psn_outbox_bytes(psn_outbox *outbox, const char *data, Py_ssize_t size)
{
    psn_encoded raw; /* not outbox->encoded: there is nothing in it to clear */
    raw.kind = PSN_KIND_BYTES;
    raw.data = data;
    raw.size = size;
    raw.buffer_count = 0;
    raw.buffers = NULL;
    if (make_message(outbox, &raw, true, &outbox->one) < 0)
        return -1;
    outbox->count = 1;
    return 0;
}

int
psn_outbox_many(psn_outbox *outbox, PyObject *fast_sequence)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(fast_sequence);
    if (count > 1) {
        outbox->messages = PyMem_Calloc((size_t)count, sizeof *outbox->messages);
        if (outbox->messages == NULL) {
            outbox->messages = &outbox->one;
            PyErr_NoMemory();
            return -1;
        }
        outbox->capacity = (size_t)count;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (i >= PySequence_Fast_GET_SIZE(fast_sequence)) {
            PyErr_SetString(PyExc_RuntimeError, "the list changed while its objects were pickled");
            return -1;
        }
        PyObject *obj = PySequence_Fast_GET_ITEM(fast_sequence, i);
        Py_INCREF(obj); /* pickling may run code that changes the list */
        int result = psn_encode(&psn_module_state.codec, obj, &outbox->encoded);
        Py_DECREF(obj);
        if (result < 0)
            return -1;
        result = make_message(outbox, &outbox->encoded, false, &outbox->messages[outbox->count]);
        psn_encoded_clear(&outbox->encoded);
        if (result < 0)
            return -1;
        outbox->count++;
    }
    return 0;
}

void
psn_outbox_clear(psn_outbox *outbox)
{
    for (size_t i = 0; i < outbox->count; i++) {
        const psn_message *message = &outbox->messages[i];
        if (i >= outbox->put)
            drop_blocks(outbox->segment, message->slices, message->slice_count);
        if (!is_borrowed(outbox, message))
            PyMem_Free((void *)message->slices);
    }
    if (outbox->messages != &outbox->one)
        PyMem_Free(outbox->messages);
    if (outbox->has_encoded)
        psn_encoded_clear(&outbox->encoded);
}

/* ---- incoming ---- */

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
    if (length > (size_t)(end - *tail) || aligned(length) > (size_t)(end - *tail)) {
        damaged();
        return NULL;
    }
    PyObject *copy = PyByteArray_FromStringAndSize(*tail, (Py_ssize_t)length);
    *tail += aligned(length);
    return copy;
}

static int
split_inline(const psn_message *message, psn_parts *parts, const char **tail, const char **end)
{
    parts->data = message->data;
    parts->size = (Py_ssize_t)message->size;
    *end = parts->data + parts->size;
    *tail = *end;
    if ((message->kind & WITH_TAIL) != 0) {
        uint64_t size;
        if (message->size < TAIL_ALIGN)
            return damaged();
        memcpy(&size, message->data, sizeof size);
        if (size > message->size || aligned((size_t)size) > message->size - TAIL_ALIGN)
            return damaged();
        parts->data += TAIL_ALIGN;
        parts->size = (Py_ssize_t)size;
        *tail = parts->data + aligned((size_t)size);
    }
    return 0;
}

/* Every block of the message has an owner afterwards, or is given back. */
static int
open_parts(psn_segment *segment, const psn_message *message, psn_parts *parts)
{
    const char *tail, *end;
    bool in_block = (message->kind & IN_BLOCK) != 0;
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
    return (message->kind & KIND_MASK) == PSN_KIND_BYTES;
}

PyObject *
psn_message_decode(psn_segment *segment, const psn_message *message)
{
    psn_codec *codec = &psn_module_state.codec;
    if (message->slice_count == 0 && (message->kind & WITH_TAIL) == 0)
        return psn_decode(codec, message->kind, message->data, (Py_ssize_t)message->size, NULL);
    psn_parts parts;
    if (open_parts(segment, message, &parts) < 0)
        return NULL;
    PyObject *obj = psn_decode(codec, (uint16_t)(message->kind & KIND_MASK), parts.data, parts.size,
                               parts.buffers);
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
    if ((message->kind & KIND_MASK) != PSN_KIND_BYTES)
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
