"""Ends of a Process, under every start method: exit codes, and the exception behind them."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import pytest

import procession
from procession.context import BaseContext
from tests.conftest import RunScript
from tests.contracts.process_children import do_nothing, run_to_end, waiting_child
from tests.waiting import HANG_GUARD_SECONDS

PICKLING_METHODS = pytest.mark.parametrize(
    "method", [name for name in procession.get_all_start_methods() if name != "fork"]
)


def say_exit(code: Any) -> None:
    """In a child: end with ``sys.exit``."""
    sys.exit(code)


def leave_at_once(code: int) -> None:
    """In a child: end without any cleaning up."""
    os._exit(code)


def fail() -> None:
    """In a child: end by an exception that the parent can have whole."""
    raise KeyError("no such thing")


class AwkwardError(Exception):
    """Pickles, but does not unpickle: its state is not what it is made from."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def fail_awkwardly() -> None:
    """In a child: end by an exception that does not unpickle."""
    raise AwkwardError("this", "that")


def fail_locally() -> None:
    """In a child: end by an exception whose class has no importable name."""

    class LocalError(Exception):
        pass

    raise LocalError("of a local class")


def signal_self(number: int) -> None:
    """In a child: end by a signal."""
    os.kill(os.getpid(), number)
    time.sleep(HANG_GUARD_SECONDS)


@pytest.mark.parametrize(
    ("target", "args", "code"),
    [
        (do_nothing, (), 0),
        (say_exit, (None,), 0),
        (say_exit, (7,), 7),
        (say_exit, ("words",), 1),
        (leave_at_once, (9,), 9),
        (fail, (), 1),
        (signal_self, (int(signal.SIGTERM),), -int(signal.SIGTERM)),
        (signal_self, (int(signal.SIGKILL),), -int(signal.SIGKILL)),
    ],
)
def test_exit_code_says_how_the_child_ended(
    context: BaseContext, target: Any, args: Any, code: int
) -> None:
    """0 is success, n what was given to exit, 1 an exception, -n a signal."""
    process = run_to_end(context, target, *args)
    assert process.exitcode == code
    assert not process.is_alive()
    process.close()


def test_exit_with_words_prints_them(run_script: RunScript) -> None:
    """``sys.exit("text")`` in a child prints the text on stderr, as in any program."""
    outcome = run_script(
        """
        import sys
        import procession

        if __name__ == "__main__":
            for method in procession.get_all_start_methods():
                process = procession.get_context(method).Process(target=sys.exit, args=("words",))
                process.start()
                process.join()
        """
    )
    assert outcome.stderr.split() == ["words"] * len(procession.get_all_start_methods())


def test_unhandled_exception_is_printed_once(run_script: RunScript) -> None:
    """The child's traceback stands on stderr under the name of the process."""
    outcome = run_script(
        """
        import procession

        def fail():
            raise KeyError("no such thing")

        if __name__ == "__main__":
            for method in procession.get_all_start_methods():
                process = procession.get_context(method).Process(target=fail, name="bob")
                process.start()
                process.join()
        """
    )
    assert outcome.stderr.count("Process bob:") == len(procession.get_all_start_methods())
    assert outcome.stderr.count("KeyError: 'no such thing'") == outcome.stderr.count("Process bob:")


def test_parent_can_have_the_exception(context: BaseContext) -> None:
    """The exception itself arrives, with the child's traceback as its cause."""
    process = run_to_end(context, fail)
    error = process.exception
    assert isinstance(error, KeyError)
    assert error.args == ("no such thing",)
    assert 'raise KeyError("no such thing")' in str(error.__cause__)
    assert process.exception is error
    process.close()


@pytest.mark.parametrize(
    ("target", "kind", "text"),
    [
        (fail_awkwardly, "AwkwardError", "this and that"),
        (fail_locally, "LocalError", "of a local class"),
    ],
)
def test_exception_that_does_not_pickle_is_described(
    context: BaseContext, target: Any, kind: str, text: str
) -> None:
    """Where the exception cannot be had, its type's name, text and traceback can."""
    process = run_to_end(context, target)
    error = process.exception
    assert type(error).__name__ == "RemoteError"
    assert error.type_name.endswith(kind)
    assert error.text == text
    assert "Traceback" in error.remote_traceback
    process.close()


@pytest.mark.parametrize("code", [0, 3])
def test_no_exception_after_an_exit(context: BaseContext, code: int) -> None:
    """``sys.exit`` is not a failure to report, whatever its code."""
    process = run_to_end(context, say_exit, code)
    assert process.exception is None
    process.close()


def test_no_exception_before_the_end(context: BaseContext) -> None:
    """A process that was not started, or runs, or was killed, has none."""
    assert context.Process().exception is None
    process = waiting_child(context)
    assert process.exception is None
    process.kill()
    process.join(HANG_GUARD_SECONDS)
    assert process.exception is None
    process.close()


def test_subclass_may_have_its_own_exception_attribute(context: BaseContext) -> None:
    """Programs that assign ``self.exception`` in their subclass go on working."""
    process = OwnException(context)
    process.start()
    process.join(HANG_GUARD_SECONDS)
    assert process.exception == "mine"
    process.close()


def OwnException(context: BaseContext) -> Any:  # noqa: N802
    """Return a process of a subclass that uses the name for itself."""
    kind = {"fork": OwnForked, "spawn": OwnSpawned, "forkserver": OwnServed}
    return kind[context.get_start_method()]()


class _Own:
    def __init__(self) -> None:
        super().__init__()
        self.exception = "mine"

    def run(self) -> None:
        assert self.exception == "mine"


class OwnForked(_Own, procession.get_context("fork").Process):  # type: ignore[misc]
    pass


class OwnSpawned(_Own, procession.get_context("spawn").Process):  # type: ignore[misc]
    pass


class OwnServed(_Own, procession.get_context("forkserver").Process):  # type: ignore[misc]
    pass


@PICKLING_METHODS
def test_unpicklable_target_raises_in_the_caller(method: str) -> None:
    """What cannot travel is refused by ``start``, and the program goes on."""
    process = procession.get_context(method).Process(target=print, args=((n for n in ()),))
    with pytest.raises(TypeError, match="generator"):
        process.start()
    assert procession.active_children() == []


class ComesApart:
    """Pickles; raises when it is unpickled."""

    def __reduce__(self) -> Any:
        return raise_on_arrival, ()


def raise_on_arrival() -> None:
    """In a child: fail while the process object is unpickled."""
    raise LookupError("cannot be put together here")


@PICKLING_METHODS
def test_failed_arrival_is_reported(method: str) -> None:
    """An argument that does not unpickle in the child ends it, and the parent learns why."""
    process = run_to_end(procession.get_context(method), do_nothing_with, ComesApart())
    assert process.exitcode == 1
    assert isinstance(process.exception, LookupError)
    process.close()


def do_nothing_with(_what: Any) -> None:
    """In a child: end well."""


def test_child_whose_status_was_taken_has_ended(run_script: RunScript) -> None:
    """A program that collects its children itself gets a known end, not a wait for ever."""
    outcome = run_script(
        """
        import os, signal
        import procession

        if __name__ == "__main__":
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            for method in ["fork"] * 20 + ["spawn"]:
                process = procession.get_context(method).Process(target=os.getpid)
                process.start()
                process.join()
                print(process.is_alive(), process.exitcode)
        """
    )
    assert outcome.stdout.split() == ["False", "255"] * 21
