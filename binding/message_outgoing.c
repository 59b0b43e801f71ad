/* Objects to messages: what goes inline, what into blocks, and whose the blocks are until the put.
 *
 * A payload or buffer of more than PSN_INLINE_USUAL bytes is copied once, into a block of the
 * arena; the receiver reads it there.  Where the arena has no entry left (thousands of big
 * messages waiting) the bytes go inline instead: slower, never refused.
 */
#include "message_form.h"

#include <string.h>

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
            total += psn_tail_aligned((size_t)slices[i].length);
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
        memset(to, 0, PSN_TAIL_ALIGN);
        memcpy(to, &size, sizeof size);
        to += PSN_TAIL_ALIGN;
    }
    if (size > 0)
        memcpy(to, encoded->data, (size_t)size);
    if (!with_tail)
        return to + size;
    to += psn_tail_aligned((size_t)size);
    for (size_t i = 0; i < count; i++) {
        if (slices[i].ref == 0) {
            memcpy(to, encoded->buffers[i - in_block].buf, (size_t)slices[i].length);
            to += psn_tail_aligned((size_t)slices[i].length);
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
    size_t size = with_tail ? PSN_TAIL_ALIGN + psn_tail_aligned(payload) + tail : payload;
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
        .kind = (uint16_t)(encoded->kind | (in_block ? PSN_IN_BLOCK : 0) |
                           (with_tail ? PSN_WITH_TAIL : 0)),
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
                .kind = (uint16_t)(encoded->kind | (in_block ? PSN_IN_BLOCK : 0)),
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
