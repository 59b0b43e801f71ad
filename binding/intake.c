/* take_results: what workers wrote, from the result queue to where it belongs, in one step.
 *
 * The messages that are frequent (plain results, see pool/mail.py) are delivered here; what needs
 * more thought is appended to the inbox as it is, and so is each chunk that has come to its end or
 * whose time its call's pace should learn of.  Everything happens within one call, so no
 * KeyboardInterrupt can come between the queue and the place of a result.
 */
#include "chunk_object.h"
#include "plain.h"
#include "queue_object.h"
#include "ticket_book.h"

enum { ONE_PLAIN = 4, MANY_PLAIN = 5 };

static const double LEARN_SECONDS = 0.001;

typedef struct {
    psn_short_way way; /* with the book in it */
    PyObject *append;  /* the inbox's method */
} intake;

static int
to_inbox(const intake *in, PyObject *entry)
{
    PyObject *result = PyObject_CallOneArg(in->append, entry);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* 1: delivered; 0: not a message for us; -1 with an exception. */
static int
deliver_plain(psn_chunk *chunk, PyObject *message)
{
    Py_ssize_t fields = PyTuple_GET_SIZE(message);
    PyObject *seconds = PyTuple_GET_ITEM(message, fields - 1);
    Py_ssize_t offset = PyLong_AsSsize_t(PyTuple_GET_ITEM(message, 1));
    if (offset == -1 && PyErr_Occurred())
        return -1;
    if (offset < 0 || offset >= chunk->size || !PyFloat_CheckExact(seconds))
        return 0;
    if (offset > chunk->delivered) /* behind one that waits in the inbox: results come in order */
        return 0;
    if (fields == ONE_PLAIN)
        return psn_chunk_deliver(chunk, offset, &PyTuple_GET_ITEM(message, 2), 1,
                                 PyFloat_AS_DOUBLE(seconds)) < 0 ? -1 : 1;
    PyObject *values = PyTuple_GET_ITEM(message, 3);
    if (!PyList_CheckExact(values) || PyList_GET_SIZE(values) > chunk->size - offset)
        return 0;
    return psn_chunk_deliver_list(chunk, offset, values, PyFloat_AS_DOUBLE(seconds)) < 0 ? -1 : 1;
}

static bool
deserves_a_look(intake *in, psn_chunk *chunk)
{
    if (chunk->delivered >= chunk->size)
        return !psn_short_way_end(&in->way, chunk);
    return chunk->seconds > LEARN_SECONDS;
}

static int
take_in(intake *in, PyObject *message)
{
    Py_ssize_t fields = PyTuple_CheckExact(message) ? PyTuple_GET_SIZE(message) : 0;
    if (fields != ONE_PLAIN && fields != MANY_PLAIN)
        return to_inbox(in, message);
    PyObject *chunk = PyDict_GetItemWithError(in->way.book->chunks, PyTuple_GET_ITEM(message, 0));
    if (chunk == NULL)
        return PyErr_Occurred() ? -1 : 0;
    if (!psn_is_chunk(chunk))
        return to_inbox(in, message);
    psn_chunk *known = (psn_chunk *)Py_NewRef(chunk);
    int status = deliver_plain(known, message);
    if (status == 0)
        status = to_inbox(in, message);
    else if (status > 0)
        status = deserves_a_look(in, known) ? to_inbox(in, (PyObject *)known) : 0;
    Py_DECREF(known);
    return status;
}

/* After an error: what was taken and not taken in is kept for later. */
static void
keep_rest(const intake *in, PyObject *messages, Py_ssize_t from)
{
    PyObject *error = take_exception();
    for (Py_ssize_t i = from; i < PyList_GET_SIZE(messages); i++) {
        if (to_inbox(in, PyList_GET_ITEM(messages, i)) < 0)
            PyErr_Clear();
    }
    give_back_exception(error);
}

const char psn_take_results_doc[] =
    "take_results(queue, book, append, max, timeout) -> number of messages\n\n"
    "Wait at most timeout seconds for results, and take in at most max messages: plain results\n"
    "go into the chunk that the book has for their ticket; chunks that need attention and all other\n"
    "messages are handed to append.  Returns 0 when there was nothing.";

PyObject *
psn_py_take_results(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    if (nargs != 5 || !psn_is_ticket_book(args[1]) ||
        !PyObject_TypeCheck(args[0], psn_module_state.queue_type)) {
        PyErr_SetString(PyExc_TypeError, "take_results(queue, book, append, max, timeout)");
        return NULL;
    }
    intake in = {.way = {.book = (psn_ticket_book *)args[1]}, .append = args[2]};
    Py_ssize_t max = PyNumber_AsSsize_t(args[3], PyExc_OverflowError);
    psn_wait_arguments how = {.first = NULL, .block = true, .deadline = PSN_FOREVER, .claim = -1};
    if (PyErr_Occurred() || psn_deadline(args[4], &how.deadline) < 0)
        return NULL;
    PyObject *messages = psn_queue_take_list((psn_queue_object *)args[0], (size_t)max, &how);
    if (messages == NULL) {
        if (!PyErr_ExceptionMatches(psn_module_state.empty))
            return NULL;
        PyErr_Clear();
        return PyLong_FromLong(0);
    }
    Py_ssize_t count = PyList_GET_SIZE(messages), i = 0;
    while (i < count && take_in(&in, PyList_GET_ITEM(messages, i)) == 0)
        i++;
    if (i < count)
        keep_rest(&in, messages, i);
    Py_DECREF(messages);
    PyObject *error = PyErr_Occurred() ? take_exception() : NULL;
    int left = psn_short_way_leave(&in.way);
    if (error != NULL)
        give_back_exception(error);
    return error != NULL || left < 0 ? NULL : PyLong_FromSsize_t(count);
}

const char psn_is_plain_doc[] =
    "is_plain(obj) -> bool\n\nWhether obj is made of built-in types only, and not long: a message\n"
    "of it cannot fail to be read.";

PyObject *
psn_py_is_plain(PyObject *module, PyObject *obj)
{
    (void)module;
    return PyBool_FromLong(psn_is_plain(obj));
}
