/* TicketBook: the table of messages on their way, and the short way of a call of one plain task.
 *
 * The table is the C half of the pool's ledger (pool/ledger.py says what it is for).  The short way
 * is what the engine does for apply_async() and at its end, in one step each, for calls like the
 * one before: same function, nothing said about retries, time or callbacks, arguments that cannot
 * fail to be read.  Whatever does not fit goes the engine's way, and everything that happens to
 * a call between its two ends (deaths, cancellation) is the engine's: it finds the same objects.
 *
 * A call is entered and ended under the engine's lock.  Signals are looked for at one place only,
 * where putting a message waits for room, so an interruption finds a call complete or not begun;
 * a call that was entered and not put is taken back by the engine.
 */
#include "ticket_book.h"
#include "pending_result.h"
#include "plain.h"
#include "queue_object.h"
#include "references.h"
#include "single_call.h"

#include <structmember.h> /* wants Python.h before it */

bool
psn_is_ticket_book(PyObject *obj)
{
    return PyObject_TypeCheck(obj, psn_module_state.ticket_book_type);
}

static int
call_method(PyObject *method)
{
    PyObject *result = PyObject_CallNoArgs(method);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* ---- a call begins ---- */

/* A call like the latest one, on its way with these arguments. */
static psn_single_call *
new_call(psn_ticket_book *self)
{
    psn_single_call *call = psn_single_call_new(self->call_type);
    if (call == NULL)
        return NULL;
    call->number = PyIter_Next(self->numbers);
    if (call->number == NULL) {
        Py_DECREF(call);
        return NULL;
    }
    call->function = Py_XNewRef(self->label);
    call->pace = Py_XNewRef(self->pace);
    call->retries = Py_XNewRef(self->retries);
    call->recipe = Py_XNewRef(self->recipe);
    call->exhausted = true;
    call->is_brief = true;
    PyObject_GC_UnTrack(call); /* see single_call.c */
    return call;
}

/* Whether nothing can be put into these arguments any more. */
static bool
are_fixed(PyObject *arguments)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments); i++) {
        if (PyObject_IS_GC(PyTuple_GET_ITEM(arguments, i)))
            return false;
    }
    return true;
}

static psn_chunk *
new_chunk(psn_single_call *call, PyObject *arguments)
{
    /* A brief one is not looked at by the collector: no reference leads back to it, as in its call. */
    return are_fixed(arguments) ? psn_brief_chunk_new((PyObject *)call, arguments)
                                : psn_chunk_of_one((PyObject *)call, arguments);
}

/* Gives the chunk a ticket and puts its message.  The lock is held.  -1 with an exception. */
static int
enter_and_put(psn_ticket_book *self, psn_single_call *call, psn_chunk *chunk, PyObject *arguments)
{
    PyObject *ticket = PyLong_FromLongLong(self->next);
    PyObject *message =
        ticket == NULL ? NULL : PyTuple_Pack(3, ticket, self->recipe_text, arguments);
    Py_XDECREF(ticket);
    if (message == NULL)
        return -1;
    chunk->ticket = call->ticket = self->next++;
    call->tasks_open = 1;
    int status = PyDict_SetItem(self->chunks, ticket, (PyObject *)chunk);
    if (status == 0)
        status = PyDict_SetItem(self->calls, call->number, (PyObject *)call);
    if (status == 0) {
        const psn_wait_arguments how = {
            .first = message, .block = true, .deadline = PSN_FOREVER, .claim = -1};
        status = psn_queue_put_object((psn_queue_object *)self->tasks, &how);
    }
    Py_DECREF(message);
    return status;
}

/* As above, under the lock.  -1 with an exception; 1: no more calls are taken. */
static int
begin(psn_ticket_book *self, psn_single_call *call, psn_chunk *chunk, PyObject *arguments)
{
    if (call_method(self->acquire) < 0)
        return -1;
    int status = self->is_open ? enter_and_put(self, call, chunk, arguments) : 1;
    if (status < 0) {
        PyObject *error = take_exception();
        PyObject *taken = PyObject_CallFunctionObjArgs(self->take_back, call, error, NULL);
        status = taken == NULL ? -1 : 0; /* 0: the error is the call's */
        Py_XDECREF(taken);
        Py_DECREF(error);
    }
    PyObject *error = status < 0 ? take_exception() : NULL;
    int released = call_method(self->release);
    if (error != NULL)
        give_back_exception(error);
    return released < 0 ? -1 : status;
}

static bool
fits(const psn_ticket_book *self, PyObject *function, PyObject *arguments)
{
    return self->is_open && function == self->function && psn_fork_count() == self->forks &&
           !(self->is_of_main && atomic_load(&psn_module_state.codec.main_by_value)) &&
           PyTuple_CheckExact(arguments) && psn_is_plain(arguments);
}

static PyObject *
book_apply_async(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    psn_ticket_book *self = (psn_ticket_book *)op;
    if (nargs != 4) {
        PyErr_SetString(PyExc_TypeError, "apply_async(pool, engine, function, arguments)");
        return NULL;
    }
    int status;
    if (!fits(self, args[2], args[3]))
        Py_RETURN_NONE;
    psn_single_call *call = new_call(self);
    psn_chunk *chunk = call == NULL ? NULL : new_chunk(call, args[3]);
    PyObject *result = NULL;
    if (chunk != NULL)
        result = psn_pending_result_new(self->result_type, args[0], args[1], (PyObject *)call);
    if (result != NULL && (status = begin(self, call, chunk, args[3])) != 0) {
        Py_CLEAR(result);
        if (status > 0)
            result = Py_NewRef(Py_None);
    }
    Py_XDECREF(chunk);
    Py_XDECREF(call);
    return result;
}

static PyObject *
book_lay_short_way(PyObject *op, PyObject *args)
{
    psn_ticket_book *self = (psn_ticket_book *)op;
    PyObject *acquire, *release, *calls, *numbers, *take_back, *call_type, *result_type;
    if (!PyArg_ParseTuple(args, "OOO!OOO!O!:lay_short_way", &acquire, &release, &PyDict_Type, &calls,
                          &numbers, &take_back, &PyType_Type, &call_type, &PyType_Type,
                          &result_type))
        return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)call_type, psn_module_state.single_call_type) ||
        !PyType_IsSubtype((PyTypeObject *)result_type, psn_module_state.pending_result_type) ||
        !PyObject_TypeCheck(self->tasks, psn_module_state.queue_type) || !PyIter_Check(numbers)) {
        PyErr_SetString(PyExc_TypeError,
                        "the short way needs a Queue, an iterator of numbers, a SingleCall type and "
                        "a PendingResult type");
        return NULL;
    }
    Py_XSETREF(self->acquire, Py_NewRef(acquire));
    Py_XSETREF(self->release, Py_NewRef(release));
    Py_XSETREF(self->calls, Py_NewRef(calls));
    Py_XSETREF(self->numbers, Py_NewRef(numbers));
    Py_XSETREF(self->take_back, Py_NewRef(take_back));
    Py_XSETREF(self->call_type, (PyTypeObject *)Py_NewRef(call_type));
    Py_XSETREF(self->result_type, (PyTypeObject *)Py_NewRef(result_type));
    self->forks = psn_fork_count();
    Py_RETURN_NONE;
}

static PyObject *
book_expect(PyObject *op, PyObject *args)
{
    psn_ticket_book *self = (psn_ticket_book *)op;
    PyObject *function, *recipe_text;
    psn_single_call *latest;
    int is_of_main;
    if (!PyArg_ParseTuple(args, "OO!Sp:expect", &function, psn_module_state.single_call_type, &latest,
                          &recipe_text, &is_of_main))
        return NULL;
    Py_CLEAR(self->function); /* while the others change */
    Py_XSETREF(self->label, Py_XNewRef(latest->function));
    Py_XSETREF(self->pace, Py_XNewRef(latest->pace));
    Py_XSETREF(self->retries, Py_XNewRef(latest->retries));
    Py_XSETREF(self->recipe, Py_XNewRef(latest->recipe));
    Py_XSETREF(self->recipe_text, Py_NewRef(recipe_text));
    self->is_of_main = is_of_main;
    self->function = Py_NewRef(function);
    Py_RETURN_NONE;
}

/* ---- a call ends ---- */

static bool
holds_lock(psn_short_way *way)
{
    if (!way->asked) {
        way->asked = true;
        PyObject *got = PyObject_CallOneArg(way->book->acquire, Py_False);
        way->held = got == Py_True;
        Py_XDECREF(got);
        if (got == NULL)
            PyErr_Clear(); /* as if another thread had it */
    }
    return way->held;
}

/* Removes a key that should be there; gone already is as good. */
static void
forget(PyObject *dict, PyObject *key)
{
    if (PyDict_DelItem(dict, key) < 0)
        PyErr_Clear();
}

bool
psn_short_way_end(psn_short_way *way, psn_chunk *chunk)
{
    psn_ticket_book *book = way->book;
    if (!book->is_open || Py_TYPE(chunk->call) != book->call_type)
        return false;
    psn_single_call *call = (psn_single_call *)chunk->call;
    if (!call->is_brief || call->ended || call->failed != NULL ||
        !PyTuple_CheckExact(call->returned) || PyTuple_GET_SIZE(call->returned) > 0 ||
        !holds_lock(way) || !book->is_open)
        return false;
    PyObject *ticket = PyLong_FromLongLong(chunk->ticket);
    if (ticket == NULL) {
        PyErr_Clear();
        return false;
    }
    Py_INCREF(call);
    psn_single_call_finish(call, chunk->value);
    book->ended++;
    forget(book->calls, call->number);
    forget(book->chunks, ticket);
    Py_DECREF(ticket);
    Py_DECREF(call);
    return true;
}

int
psn_short_way_leave(psn_short_way *way)
{
    return way->held ? call_method(way->book->release) : 0;
}

/* ---- the type ---- */

static int
book_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"tasks", NULL};
    psn_ticket_book *self = (psn_ticket_book *)op;
    PyObject *tasks;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:TicketBook", names, &tasks))
        return -1;
    PyObject *chunks = PyDict_New();
    if (chunks == NULL)
        return -1;
    Py_XSETREF(self->chunks, chunks);
    Py_XSETREF(self->tasks, Py_NewRef(tasks));
    return 0;
}

/* (Without `function` and `call_type` no call begins or ends on the short way.) */
#define REFERENCES(EACH)                                                                           \
    EACH(tasks) EACH(chunks) EACH(acquire) EACH(release) EACH(calls) EACH(numbers)                 \
    EACH(take_back) EACH(call_type) EACH(result_type) EACH(function) EACH(label) EACH(pace)        \
    EACH(retries) EACH(recipe) EACH(recipe_text)

PSN_TRAVERSE_AND_CLEAR(book, psn_ticket_book, REFERENCES)
PSN_DEALLOC(book)

static PyMethodDef book_methods[] = {
    {"lay_short_way", book_lay_short_way, METH_VARARGS,
     PyDoc_STR("lay_short_way(acquire, release, calls, numbers, take_back, call_type, "
               "result_type)\n\nSay where calls are entered; take_back(call, error) is called when one was, and its "
               "message could not be put.")},
    {"expect", book_expect, METH_VARARGS,
     PyDoc_STR("expect(function, latest, recipe_text, is_of_main)\n\nSay which calls go the short "
               "way: those of function, as the latest one.")},
    {"apply_async", (PyCFunction)(void (*)(void))book_apply_async, METH_FASTCALL,
     PyDoc_STR("apply_async(pool, engine, function, arguments) -> result\n\nBegin a call the short "
               "way; None where it does not fit it.")},
    {NULL, NULL, 0, NULL},
};

#define MEMBER(name, type, flags, text)                                                           \
    {#name, type, offsetof(psn_ticket_book, name), flags, PyDoc_STR(text)}

static PyMemberDef book_members[] = {
    MEMBER(tasks, T_OBJECT, READONLY, "The queue of tasks."),
    MEMBER(chunks, T_OBJECT, READONLY, "Ticket -> Chunk, until the last of its tasks has ended."),
    MEMBER(next, T_LONGLONG, 0, "The next message's ticket."),
    MEMBER(ended, T_PYSSIZET, 0, "Tasks that have ended and are in the table no more."),
    MEMBER(is_open, T_BOOL, 0, "Whether calls may go the short way."),
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot book_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("TicketBook(tasks)")},
    {Py_tp_new, PSN_SLOT(PyType_GenericNew)},
    {Py_tp_init, PSN_SLOT(book_init)},
    {Py_tp_traverse, PSN_SLOT(book_traverse)},
    {Py_tp_clear, PSN_SLOT(book_clear)},
    {Py_tp_dealloc, PSN_SLOT(book_dealloc)},
    {Py_tp_methods, book_methods},
    {Py_tp_members, book_members},
    {0, NULL},
};

PyType_Spec psn_ticket_book_spec = {
    .name = "procession._native.TicketBook",
    .basicsize = sizeof(psn_ticket_book),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = book_slots,
};
