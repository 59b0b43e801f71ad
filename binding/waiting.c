/* Time-outs, and signals that arrive while the core waits. */
#include <math.h>

#include "binding.h"

#define NANOSECONDS 1e9
#define LOOK_INTERVAL (UINT64_C(250) * 1000 * 1000)
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

_Thread_local int psn_calls_under_way __attribute__((tls_model("initial-exec")));

int
psn_after_signal(void)
{
    return PyErr_CheckSignals();
}

uint64_t
psn_next_look(uint64_t deadline)
{
    uint64_t now = psn_now();
    return deadline > now && deadline - now > LOOK_INTERVAL ? now + LOOK_INTERVAL : deadline;
}

psn_status
psn_after_look(psn_status status, uint64_t deadline)
{
    return status == PSN_TIMEOUT && psn_now() < deadline ? PSN_INTERRUPTED : status;
}

int
psn_wait_goes_on(psn_status status, uint64_t deadline)
{
    if (status != PSN_INTERRUPTED && status != PSN_TIMEOUT)
        return 0;
    if (psn_after_signal() < 0)
        return -1;
    return status == PSN_INTERRUPTED || psn_now() < deadline;
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
