/* WorkLoop: the tasks of one message, and what is sent of their results.
 *
 * Each result at once, or those of consecutive tasks together, some times a second.  Plain results
 * are put here; others, and failures, go through the methods of the subclass (see work_loop.c).
 * `interruptible` is set while a task runs and never else: the handler of SIGINT looks at it.
 */
#include "work_loop.h"

#include "plain.h"
#include "queue_object.h"

/* How a function is applied to an item, see pool/recipe.py. */
enum { MAP = 'm', STARMAP = 's', APPLY = 'a' };

static const double FLUSH_SECONDS = 0.05;

static inline double
to_seconds(uint64_t nanoseconds)
{
    return (double)nanoseconds * 1e-9;
}

static int
leave_if_told(psn_work_loop *self)
{
    return words(self)[ORDER] ? drop(PyObject_CallMethod((PyObject *)self, "leave_if_told", NULL)) : 0;
}

/* ---- one task ---- */

static PyObject *
apply(const psn_work *what, PyObject *item)
{
    if (what->kind == MAP)
        return PyObject_CallOneArg(what->function, item);
    if (what->kind == APPLY && PyTuple_CheckExact(item) && PyTuple_GET_SIZE(item) == 2 &&
        PyTuple_CheckExact(PyTuple_GET_ITEM(item, 0)) && PyDict_CheckExact(PyTuple_GET_ITEM(item, 1)))
        return PyObject_Call(what->function, PyTuple_GET_ITEM(item, 0), PyTuple_GET_ITEM(item, 1));
    PyObject *args = PySequence_Tuple(item);
    PyObject *value = args == NULL ? NULL : PyObject_CallObject(what->function, args);
    Py_XDECREF(args);
    return value;
}

/* Whether the interpreter does, at the function's start. */
static bool
looks_for_signals(const psn_work *what)
{
    return PyFunction_Check(what->function);
}

/* Runs a task.  NULL with its exception. */
static PyObject *
run_task(psn_work_loop *self, const psn_work *what, Py_ssize_t offset)
{
    words(self)[PLACE] = offset;
    self->interruptible = true;
    PyObject *value = !looks_for_signals(what) && PyErr_CheckSignals() < 0
                          ? NULL
                          : apply(what, PySequence_Fast_GET_ITEM(what->items, offset));
    self->interruptible = false;
    words(self)[TASKS]++;
    if (psn_fork_count() != self->forks) {
        PyObject *error = value == NULL ? take_exception() : NULL;
        Py_XDECREF(PyObject_CallMethod((PyObject *)self, "leave_forked", NULL));
        if (error != NULL)
            give_back_exception(error);
    }
    return value;
}

/* ---- what came of it ---- */

static int
put_result(psn_work_loop *self, PyObject *message)
{
    if (message == NULL)
        return -1;
    const psn_wait_arguments how = {
        .first = message, .block = true, .deadline = PSN_FOREVER, .claim = -1};
    psn_queue_object *results = (psn_queue_object *)self->results;
    int status = psn_queue_put_object(results, &how);
    Py_DECREF(message);
    return status;
}

static int
send_one(psn_work_loop *self, const psn_work *what, Py_ssize_t offset, PyObject *value, double seconds)
{
    if (psn_is_plain(value))
        return put_result(self, Py_BuildValue("(OnOd)", what->ticket, offset, value, seconds));
    return drop(PyObject_CallMethod((PyObject *)self, "send", "On[O]Od", what->ticket, offset, value,
                                    Py_None, seconds));
}

static int
send_failure(psn_work_loop *self, const psn_work *what, Py_ssize_t offset, double seconds)
{
    PyObject *error = take_exception();
    PyObject *sent = PyObject_CallMethod((PyObject *)self, "send_failure", "OnOd", what->ticket,
                                         offset, error, seconds);
    Py_DECREF(error);
    return drop(sent);
}

int
psn_work_eagerly(psn_work_loop *self, const psn_work *what)
{
    for (Py_ssize_t offset = 0; offset < PySequence_Fast_GET_SIZE(what->items); offset++) {
        if (leave_if_told(self) < 0)
            return -1;
        uint64_t begun = psn_now();
        if (what->timed)
            words(self)[SINCE] = (int64_t)begun;
        PyObject *value = run_task(self, what, offset);
        if (what->timed)
            words(self)[SINCE] = 0;
        uint64_t ended = psn_now();
        double seconds = to_seconds(ended - begun);
        words(self)[WORKING] += (int64_t)(ended - begun);
        int status = value == NULL ? send_failure(self, what, offset, seconds)
                                   : send_one(self, what, offset, value, seconds);
        if (status == 0 && value == NULL)
            status = leave_if_told(self);
        Py_XDECREF(value);
        if (status < 0)
            return -1;
        words(self)[PACKING] += (int64_t)(psn_now() - ended);
    }
    return 0;
}

/* Results of consecutive tasks that are not sent yet. */
typedef struct {
    Py_ssize_t first;
    PyObject *values, *failures; /* failures: place in values -> bytes; NULL for none */
    uint64_t begun;
} batch;

static int
begin_batch(batch *results, Py_ssize_t first)
{
    *results = (batch){.first = first, .values = PyList_New(0), .begun = psn_now()};
    return results->values == NULL ? -1 : 0;
}

static void
clear_batch(batch *results)
{
    Py_CLEAR(results->values);
    Py_CLEAR(results->failures);
}

static int
send_batch(psn_work_loop *self, const psn_work *what, batch *results)
{
    uint64_t ended = psn_now();
    double seconds = to_seconds(ended - results->begun);
    PyObject *failures = results->failures == NULL ? Py_None : results->failures;
    int status;
    words(self)[WORKING] += (int64_t)(ended - results->begun);
    if (failures == Py_None && psn_is_plain(results->values))
        status = put_result(self, Py_BuildValue("(OnnOd)", what->ticket, results->first,
                                                PyList_GET_SIZE(results->values), results->values,
                                                seconds));
    else
        status = drop(PyObject_CallMethod((PyObject *)self, "send", "OnOOd", what->ticket,
                                          results->first, results->values, failures, seconds));
    words(self)[PACKING] += (int64_t)(psn_now() - ended);
    clear_batch(results);
    return status;
}

static int
keep_failure(psn_work_loop *self, batch *results)
{
    PyObject *error = take_exception();
    int status = leave_if_told(self);
    PyObject *packed =
        status < 0 ? NULL : PyObject_CallMethod((PyObject *)self, "pack", "O", error);
    Py_DECREF(error);
    if (packed == NULL)
        return -1;
    if (results->failures == NULL)
        results->failures = PyDict_New();
    PyObject *place = PyLong_FromSsize_t(PyList_GET_SIZE(results->values));
    status = results->failures == NULL || place == NULL
                 ? -1
                 : PyDict_SetItem(results->failures, place, packed);
    Py_XDECREF(place);
    Py_DECREF(packed);
    return status < 0 ? -1 : PyList_Append(results->values, Py_None);
}

/* How many tasks until the clock is looked at again: about a tenth of FLUSH_SECONDS. */
static Py_ssize_t
stride(Py_ssize_t done, double spent)
{
    double tasks = (double)done * FLUSH_SECONDS / 10 / (spent + 1e-9);
    double most = 4.0 * (double)(done + 1);
    return tasks < 1 ? 1 : (Py_ssize_t)(tasks < most ? tasks : most);
}

int
psn_work_together(psn_work_loop *self, const psn_work *what)
{
    batch results;
    Py_ssize_t look = 1;
    if (begin_batch(&results, 0) < 0)
        return -1;
    for (Py_ssize_t offset = 0; offset < PySequence_Fast_GET_SIZE(what->items); offset++) {
        if (offset == look) {
            double spent = to_seconds(psn_now() - results.begun);
            if (spent > FLUSH_SECONDS &&
                (send_batch(self, what, &results) < 0 || begin_batch(&results, offset) < 0))
                return -1;
            look = offset + stride(offset - results.first, spent);
        }
        PyObject *value = run_task(self, what, offset);
        int status =
            value == NULL ? keep_failure(self, &results) : PyList_Append(results.values, value);
        Py_XDECREF(value);
        if (status < 0) {
            clear_batch(&results);
            return -1;
        }
    }
    return send_batch(self, what, &results);
}
