/* TicketBook: the table of messages on their way, and the short way of a call of one plain task.
 *
 * The table is the C half of the pool's ledger (pool/ledger.py says what it is for).  The short way
 * is what the engine does for apply_async() and at its end, in one step each, for calls like the
 * one before: same function, nothing said about retries, time or callbacks, arguments that cannot
 * fail to be read.  Whatever does not fit goes the engine's way, and everything that happens to
 * a call between its two ends (deaths, cancellation) is the engine's: the call is made when it looks.
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

/* What a call begins with.  Held, as the next call may be of another function, and come from a finalizer,
 * or from another thread while this one waits for the lock. */
typedef struct {
    psn_single_call *kind;
    PyObject *recipe_text;
    PyObject *arguments;
} beginning;

/* Gives the chunk a ticket and puts its message.  The lock is held.  -1 with an exception. */
static int
enter_and_put(psn_ticket_book *self, psn_chunk *chunk, const beginning *what)
{
    PyObject *ticket = PyLong_FromLongLong(self->next);
    PyObject *message =
        ticket == NULL ? NULL : PyTuple_Pack(3, ticket, what->recipe_text, what->arguments);
    Py_XDECREF(ticket);
    if (message == NULL)
        return -1;
    self->next++;
    int status = PyDict_SetItem(self->chunks, ticket, (PyObject *)chunk);
    if (status == 0) {
        chunk->ticket = self->next - 1;
        self->home->unseen++;
        const psn_wait_arguments how = {
            .first = message, .block = true, .deadline = PSN_FOREVER, .claim = -1};
        status = psn_queue_put_object((psn_queue_object *)self->tasks, &how);
    }
    Py_DECREF(message);
    return status;
}

/* The message could not be put.  0: the error is the call's; -1 with an exception. */
static int
take_back(psn_ticket_book *self, psn_chunk *chunk)
{
    PyObject *error = take_exception(), *taken = NULL;
    PyObject *call = psn_chunk_call(chunk);
    if (call != NULL)
        taken = PyObject_CallFunctionObjArgs(self->take_back, call, error, NULL);
    Py_XDECREF(call);
    Py_XDECREF(taken);
    Py_DECREF(error);
    return taken == NULL ? -1 : 0;
}

/* As above, under the lock.  -1 with an exception; 1: no more calls are taken. */
static int
begin(psn_ticket_book *self, psn_chunk *chunk, const beginning *what)
{
    if (call_method(self->acquire) < 0)
        return -1;
    int status = self->is_open ? enter_and_put(self, chunk, what) : 1;
    if (status < 0)
        status = take_back(self, chunk);
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

/* The result of a call that has begun; None: no more calls are taken; NULL with an exception. */
static PyObject *
start(psn_ticket_book *self, PyObject *pool, PyObject *engine, const beginning *what)
{
    psn_chunk *chunk = psn_chunk_of_brief(self->home, what->kind, what->arguments);
    if (chunk == NULL)
        return NULL;
    PyObject *result = psn_pending_result_new(self->result_type, pool, engine, (PyObject *)chunk);
    int status = result == NULL ? -1 : begin(self, chunk, what);
    Py_DECREF(chunk);
    if (status == 0)
        return result;
    Py_XDECREF(result);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
book_apply_async(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    psn_ticket_book *self = (psn_ticket_book *)op;
    if (nargs != 4) {
        PyErr_SetString(PyExc_TypeError, "apply_async(pool, engine, function, arguments)");
        return NULL;
    }
    if (!fits(self, args[2], args[3]))
        Py_RETURN_NONE;
    const beginning what = {(psn_single_call *)Py_NewRef(self->kind),
                            Py_NewRef(self->recipe_text), args[3]};
    PyObject *result = start(self, args[0], args[1], &what);
    Py_DECREF(what.recipe_text);
    Py_DECREF(what.kind);
    return result;
}

static PyObject *
book_lay_short_way(PyObject *op, PyObject *args)
{
    psn_ticket_book *self = (psn_ticket_book *)op;
    PyObject *acquire, *release, *calls, *numbers, *take_back, *result_type;
    if (!PyArg_ParseTuple(args, "OOO!OOO!:lay_short_way", &acquire, &release, &PyDict_Type, &calls,
                          &numbers, &take_back, &PyType_Type, &result_type))
        return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)result_type, psn_module_state.pending_result_type) ||
        !PyObject_TypeCheck(self->tasks, psn_module_state.queue_type) || !PyIter_Check(numbers)) {
        PyErr_SetString(PyExc_TypeError,
                        "the short way needs a Queue, an iterator of numbers and a PendingResult type");
        return NULL;
    }
    psn_brief_calls *home = psn_brief_calls_new(calls, numbers);
    if (home == NULL)
        return NULL;
    Py_XSETREF(self->home, home);
    Py_XSETREF(self->acquire, Py_NewRef(acquire));
    Py_XSETREF(self->release, Py_NewRef(release));
    Py_XSETREF(self->take_back, Py_NewRef(take_back));
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
    psn_single_call *kind = psn_single_call_like(latest);
    if (kind == NULL)
        return NULL;
    Py_CLEAR(self->function); /* while the others change */
    Py_XSETREF(self->kind, kind);
    Py_XSETREF(self->recipe_text, Py_NewRef(recipe_text));
    self->is_of_main = is_of_main;
    self->function = Py_NewRef(function);
    Py_RETURN_NONE;
}

/* ---- a call is looked at ---- */

static PyObject *
book_show_calls(PyObject *op, PyObject *ignored)
{
    psn_ticket_book *self = (psn_ticket_book *)op;
    (void)ignored;
    if (self->home == NULL || self->home->unseen == 0)
        Py_RETURN_NONE;
    PyObject *chunks = PyDict_Values(self->chunks);
    int status = chunks == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(chunks); i++) {
        PyObject *chunk = PyList_GET_ITEM(chunks, i);
        PyObject *call = psn_is_chunk(chunk) ? psn_chunk_call((psn_chunk *)chunk) : Py_NewRef(Py_None);
        status = call == NULL ? -1 : 0;
        Py_XDECREF(call);
    }
    Py_XDECREF(chunks);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *
book_unseen(PyObject *op, void *ignored)
{
    psn_ticket_book *self = (psn_ticket_book *)op;
    (void)ignored;
    return PyLong_FromSsize_t(self->home == NULL ? 0 : self->home->unseen);
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

/* Whether the call is as it began: nobody has looked at it. */
static bool
is_unseen(const psn_ticket_book *book, const psn_chunk *chunk)
{
    return book->is_open && chunk->call == NULL && chunk->kind != NULL &&
           chunk->home == book->home && !chunk->ended;
}

bool
psn_short_way_end(psn_short_way *way, psn_chunk *chunk)
{
    psn_ticket_book *book = way->book;
    if (!is_unseen(book, chunk) || !holds_lock(way) || !is_unseen(book, chunk))
        return false;
    PyObject *ticket = PyLong_FromLongLong(chunk->ticket);
    if (ticket == NULL) {
        PyErr_Clear();
        return false;
    }
    chunk->ended = true;
    book->home->unseen--;
    book->ended++;
    forget(book->chunks, ticket);
    Py_DECREF(ticket);
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

/* (Without `function` and `home` no call begins or ends on the short way.) */
#define REFERENCES(EACH)                                                                           \
    EACH(tasks) EACH(chunks) EACH(acquire) EACH(release) EACH(take_back) EACH(home)                \
    EACH(result_type) EACH(function) EACH(kind) EACH(recipe_text)

PSN_TRAVERSE_AND_CLEAR(book, psn_ticket_book, REFERENCES)
PSN_DEALLOC(book)

static PyMethodDef book_methods[] = {
    {"lay_short_way", book_lay_short_way, METH_VARARGS,
     PyDoc_STR("lay_short_way(acquire, release, calls, numbers, take_back, result_type)"
               "\n\nSay where calls are entered; take_back(call, error) is called when one was, and its "
               "message could not be put.")},
    {"expect", book_expect, METH_VARARGS,
     PyDoc_STR("expect(function, latest, recipe_text, is_of_main)\n\nSay which calls go the short "
               "way: those of function, as the latest one.")},
    {"apply_async", (PyCFunction)(void (*)(void))book_apply_async, METH_FASTCALL,
     PyDoc_STR("apply_async(pool, engine, function, arguments) -> result\n\nBegin a call the short "
               "way; None where it does not fit it.")},
    {"show_calls", book_show_calls, METH_NOARGS,
     PyDoc_STR("show_calls()\n\nEnter the calls of the short way that are under way into calls.")},
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

static PyGetSetDef book_figures[] = {
    {"unseen", book_unseen, NULL, PyDoc_STR("How many calls are under way and not in calls."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
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
    {Py_tp_getset, book_figures},
    {0, NULL},
};

PyType_Spec psn_ticket_book_spec = {
    .name = "procession._native.TicketBook",
    .basicsize = sizeof(psn_ticket_book),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = book_slots,
};
