/* What the files of the binding share: the module's state, and the steps between Python and core.
 *
 * The binding converts, releases the GIL and raises; it decides nothing.  One file per Python type.
 * Arbitrary Python code (pickling, finalizers, signal handlers) never runs while a lock of the core
 * is held: messages are encoded before the put and decoded after the take.
 */
#ifndef PROCESSION_BINDING_H
#define PROCESSION_BINDING_H

#include "codec.h"
#include "exceptions.h"
#include "procession.h"

/* One interpreter only: the core's state is the process', so sharing it between interpreters
 * would promise an isolation that is not there. */
typedef struct {
    psn_codec codec;
    PyObject *full, *empty; /* queue.Full, queue.Empty */
    PyObject *buffer_too_short;
    PyTypeObject *queue_type, *channel_type, *buffer_type;
    PyTypeObject *chunk_type, *brief_chunk_type, *result_line_type, *result_iterator_type, *work_loop_type;
    PyTypeObject *input_iterator_type;
    PyTypeObject *single_call_type, *brief_calls_type, *ticket_book_type, *pending_result_type;
    PyTypeObject *cells_type, *semaphore_type, *flag_type, *parking_lot_type;
} psn_state;

extern psn_state psn_module_state;

/* A function in a table of slots: ISO C has no direct cast between the two kinds of pointer. */
#define PSN_SLOT(function) ((void *)(uintptr_t)(function))

/* ---- errors.c ---- */

/* Raises for a status that is an error; always NULL. `what` names the object, for the text. */
PyObject *psn_raise(psn_status status, const char *what);
/* "closed" in the words of the standard library; -1. */
int psn_raise_closed_queue(PyObject *self);

PyObject *psn_memory_dict(psn_segment *segment);

/* ---- waiting.c ---- */

/* timeout None = for ever, negative = at once; -1 with an exception for anything but a number. */
int psn_deadline(PyObject *timeout, uint64_t *deadline);
/* Between two calls that wait: runs signal handlers; -1 when one raised. */
int psn_after_signal(void);
/* A nearer deadline, to look at signals then: one that came while a sleep was ending by itself
 * has interrupted nothing. */
uint64_t psn_next_look(uint64_t deadline);
/* After a wait until psn_next_look(deadline): the end of the look alone counts as an interruption,
 * since a signal that came just before the wait began interrupts nothing. */
psn_status psn_after_look(psn_status status, uint64_t deadline);
/* Should a wait that ended so go on? -1 with the exception of a signal handler. */
int psn_wait_goes_on(psn_status status, uint64_t deadline);
/* Somebody holds a lock for suspiciously long: signals, then `late` raised after the deadline. */
int psn_after_busy(uint64_t deadline, psn_status late);

/* Calls of queues and channels that this thread is in: more than none only while they pickle. Each
 * message asks for it four times, hence the model that needs no call (the core has made it this one). */
extern _Thread_local int psn_calls_under_way __attribute__((tls_model("initial-exec")));

/* ---- message_outgoing.c ---- */

/* Messages on their way out: payloads and block references, until psn_outbox_clear. */
typedef struct {
    psn_message *messages;
    size_t count;    /* prepared */
    size_t put;      /* of these, how many the queue has; their blocks are no longer ours */
    psn_segment *segment;
    /* private */
    size_t capacity;
    psn_message one;
    psn_encoded encoded; /* of a single message, whose payload is not copied */
    bool has_encoded;
    psn_slice few[8];
} psn_outbox;

void psn_outbox_init(psn_outbox *outbox, psn_segment *segment);
/* Encodes the object and puts its big parts into blocks; -1 with an exception. */
int psn_outbox_one(psn_outbox *outbox, PyObject *obj);
/* The same for each object of a sequence (a list or tuple). */
int psn_outbox_many(psn_outbox *outbox, PyObject *fast_sequence);
/* Raw bytes, kind PSN_KIND_BYTES. */
int psn_outbox_bytes(psn_outbox *outbox, const char *data, Py_ssize_t size);
/* Gives back the blocks of messages that were not put. */
void psn_outbox_clear(psn_outbox *outbox);

/* ---- message_incoming.c ---- */

/* Bytes of payload and of buffers. */
uint64_t psn_message_bytes(const psn_message *message);
/* Was it sent with send_bytes? */
bool psn_message_is_bytes(const psn_message *message);
/* The object of a taken message. Its blocks are consumed, whatever happens. */
PyObject *psn_message_decode(psn_segment *segment, const psn_message *message);
/* Gives back the blocks of a taken message that nobody will decode. */
void psn_message_discard(psn_segment *segment, const psn_message *message);

/* A taken message as raw bytes: psn_view_release when done. */
typedef struct {
    const char *data;
    Py_ssize_t size;
    PyObject *owner; /* keeps data alive, or NULL */
} psn_view;
int psn_message_view(psn_segment *segment, const psn_message *message, psn_view *view);
void psn_view_release(psn_view *view);

/* ---- buffer_object.c ---- */

extern PyType_Spec psn_buffer_spec;
/* Takes over the slice's block; NULL with an exception (the block is given back). */
PyObject *psn_buffer_new(psn_segment *segment, psn_slice slice);
void *psn_buffer_address(PyObject *buffer);

/* ---- wait_many.c ---- */

PyObject *psn_py_wait(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

/* ---- queue_object.c, channel_object.c ---- */

extern PyType_Spec psn_queue_spec;
extern PyType_Spec psn_channel_spec;

/* ---- for the pool: chunk_object.c, single_call.c, brief_calls.c, ticket_book.c, result_line.c,
 * result_iterator.c, pending_result.c, input_iterator.c, intake.c, work_loop.c, work_tasks.c, run_tasks.c ---- */

extern PyType_Spec psn_chunk_spec;
extern PyType_Spec psn_brief_chunk_spec;
extern PyType_Spec psn_brief_calls_spec;
extern PyType_Spec psn_single_call_spec;
extern PyType_Spec psn_ticket_book_spec;
extern PyType_Spec psn_result_line_spec;
extern PyType_Spec psn_result_iterator_spec;
extern PyType_Spec psn_pending_result_spec;
extern PyType_Spec psn_input_iterator_spec;
extern PyType_Spec psn_work_loop_spec;
PyObject *psn_py_take_results(PyObject *module, PyObject *const *args, Py_ssize_t nargs);
PyObject *psn_py_is_plain(PyObject *module, PyObject *obj);
extern const char psn_take_results_doc[];
extern const char psn_is_plain_doc[];
PyObject *psn_py_run_tasks(PyObject *module, PyObject *const *args, Py_ssize_t nargs);
extern const char psn_run_tasks_doc[];

/* ---- cells_object.c, semaphore_object.c, flag_object.c, condition_object.c ---- */

extern PyType_Spec psn_cells_spec;
extern PyType_Spec psn_semaphore_spec;
extern PyType_Spec psn_flag_spec;
extern PyType_Spec psn_parking_lot_spec;
int psn_semaphore_add_constants(PyTypeObject *type);

#endif
