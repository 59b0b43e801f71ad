"""Errors say what happened, keep the standard types, and survive pickling."""

from __future__ import annotations

import multiprocessing
import pickle

import pytest

from procession._engine import errors
from procession._engine.errors import Attempt, RemoteError, WorkerDied


def test_standard_exceptions_are_the_standard_ones() -> None:
    """``except multiprocessing.X`` catches ours."""
    for name in ("ProcessError", "BufferTooShort", "TimeoutError", "AuthenticationError"):
        assert getattr(errors, name) is getattr(multiprocessing, name)
    assert issubclass(WorkerDied, multiprocessing.ProcessError)
    assert issubclass(RemoteError, multiprocessing.ProcessError)


def test_worker_died_tells_the_story() -> None:
    """The text names the task, its place, each attempt and the likely cause."""
    error = WorkerDied(
        "resize(7)", 1204, [Attempt(4711, -9), Attempt(4712, 3), Attempt(4713, None)]
    )
    text = str(error)
    for part in ("resize(7)", "item 1,204", "pid 4711 was killed by SIGKILL", "memory"):
        assert part in text
    assert "pid 4712 exited with code 3" in text
    assert "pid 4713 ended" in text


@pytest.mark.parametrize(
    ("exitcode", "hint"), [(-11, "faulthandler"), (1, "by itself"), (None, "the task")]
)
def test_worker_died_guesses_the_cause(exitcode: int | None, hint: str) -> None:
    """Crashes, exits and unknown ends are told apart."""
    assert hint in str(WorkerDied("the task", None, [Attempt(1, exitcode)]))


def test_an_unknown_signal_has_a_number() -> None:
    """A signal without a name is given by its number."""
    assert Attempt(1, -200).describe() == "pid 1 was killed by signal 200"


def test_errors_survive_pickling() -> None:
    """They arrive with all that they carry."""
    died = pickle.loads(pickle.dumps(WorkerDied("f(1)", 2, [Attempt(3, -9)])))
    assert (died.task, died.index, died.attempts) == ("f(1)", 2, (Attempt(3, -9),))
    remote = pickle.loads(pickle.dumps(RemoteError("Odd", "text", "Traceback ...")))
    assert (remote.type_name, remote.text, remote.remote_traceback) == (
        "Odd",
        "text",
        "Traceback ...",
    )
    assert str(remote) == "Odd: text\n\nTraceback ..."
    assert str(RemoteError("Odd", "")) == "Odd"
