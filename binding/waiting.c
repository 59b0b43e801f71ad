/* Time-outs, and signals that arrive while the core waits. */
#include <math.h>

#include "binding.h"

#define NANOSECONDS 1e9
#define LONGEST 1e9 /* seconds: more is for ever, and so is infinity */

int
psn_deadline(PyObject *timeout, uint64_t *deadline)
{
    *deadline = PSN_FOREVER;
    if (timeout == NULL || timeout == Py_None)
        return 0;
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    if (isnan(seconds)) {
        PyErr_SetString(PyExc_ValueError, "timeout is not a number (nan); give seconds or None");
        return -1;
    }
    if (seconds < LONGEST)
        *deadline = psn_now() + (seconds > 0 ? (uint64_t)(seconds * NANOSECONDS) : 0);
    return 0;
}

int
psn_after_signal(void)
{
    return PyErr_CheckSignals();
}

int
psn_after_busy(uint64_t deadline, psn_status late)
{
    if (psn_after_signal() < 0)
        return -1;
    if (psn_now() < deadline)
        return 0;
    psn_raise(late, "queue");
    return -1;
}
