"""Every exception that procession raises of its own accord.

One type per cause.  Where the standard library has a class for a cause, that very class
is used, so that ``except multiprocessing.TimeoutError`` or ``except queue.Full`` catches ours.
A message says what happened, to which object, with which value, and what to do next.
"""

from __future__ import annotations

import signal
from multiprocessing import AuthenticationError, BufferTooShort, ProcessError
from multiprocessing import TimeoutError as TimeoutError  # noqa: A004, PLC0414  # its name there
from queue import Empty, Full

from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Attempt",
    "AuthenticationError",
    "BufferTooShort",
    "Empty",
    "Full",
    "ProcessError",
    "RemoteError",
    "TaskTimeoutError",
    "TimeoutError",
    "WorkerDied",
]


class RemoteError(ProcessError):
    """An exception of another process that could not itself be brought here.

    Its class does not unpickle in this process, or did not pickle in the other one; or it would
    end the caller, as a task's SystemExit would.
    ``type_name`` is the name of the class, ``text`` what ``str()`` gave there, and
    ``remote_traceback`` the formatted traceback of the other process.
    """

    def __init__(self, type_name: str, text: str, remote_traceback: str = "") -> None:
        super().__init__(type_name, text, remote_traceback)
        self.type_name = type_name
        self.text = text
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        """The class and text of the remote exception, then its traceback if there is one."""
        summary = f"{self.type_name}: {self.text}" if self.text else self.type_name
        return f"{summary}\n\n{self.remote_traceback}" if self.remote_traceback else summary


class Attempt(NamedTuple):
    """One try at a task that ended with the death of its worker."""

    pid: int
    """Process id of the worker."""

    exitcode: int | None
    """As ``Process.exitcode``: negative for a signal, None where it is not known."""

    def describe(self) -> str:
        """'pid 4711 was killed by SIGKILL', 'pid 4711 exited with code 3', ..."""
        if self.exitcode is None:
            return f"pid {self.pid} ended"
        if self.exitcode >= 0:
            return f"pid {self.pid} exited with code {self.exitcode}"
        return f"pid {self.pid} was killed by {_signal_name(-self.exitcode)}"


class WorkerDied(ProcessError):  # noqa: N818  # it names an event, and the event is the error
    """A task took its worker down with it, at each attempt that it was given.

    ``task`` is a shortened description of the call, ``index`` its place in the
    call's input (None for a single call), ``attempts`` what happened to each worker.
    """

    def __init__(
        self, task: str, index: int | None = None, attempts: Sequence[Attempt] = ()
    ) -> None:
        super().__init__(task, index, tuple(attempts))
        self.task = task
        self.index = index
        self.attempts = tuple(attempts)

    def __str__(self) -> str:
        """The task, each attempt, the likely cause."""
        place = "" if self.index is None else f" on item {self.index:,}"
        tries = "; ".join(attempt.describe() for attempt in self.attempts) or "the worker ended"
        return f"A worker died while it ran {self.task}{place}: {tries}.{self._likely_cause()}"

    def _likely_cause(self) -> str:
        codes = {attempt.exitcode for attempt in self.attempts}
        if -_SIGKILL in codes:
            return (
                " SIGKILL comes from the kernel when memory runs out, or from somebody's kill -9:"
                " look into the kernel's log and at the memory that the task needs."
            )
        if codes & {-number for number in _CRASHES}:
            return " Native code crashed: run the task with python -X faulthandler to see where."
        if any(code is not None and code >= 0 for code in codes):
            return " The task, or a library under it, ended its process by itself."
        return ""


class TaskTimeoutError(TimeoutError):
    """A task ran for longer than its ``timeout``; its worker was killed and replaced.

    ``task`` is a shortened description of the call, ``index`` its place in the call's input
    (None for a single call), ``seconds`` the time that it had, ``pid`` its worker's.
    """

    def __init__(
        self, task: str, index: int | None = None, seconds: float = 0.0, pid: int = 0
    ) -> None:
        super().__init__(task, index, seconds, pid)
        self.task = task
        self.index = index
        self.seconds = seconds
        self.pid = pid

    def __str__(self) -> str:
        """The task, its time, its worker."""
        place = "" if self.index is None else f" on item {self.index:,}"
        return (
            f"{self.task}{place} ran for longer than its timeout of {self.seconds:g} seconds;"
            f" its worker, pid {self.pid}, was killed and replaced"
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _signal_number(name: str, default: int) -> int:
    return int(getattr(signal, name, default))


_SIGKILL = _signal_number("SIGKILL", 9)
_CRASHES = frozenset(
    _signal_number(name, default)
    for name, default in (("SIGSEGV", 11), ("SIGABRT", 6), ("SIGBUS", 7), ("SIGILL", 4))
)
