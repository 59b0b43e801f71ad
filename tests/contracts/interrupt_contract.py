"""Signals while somebody waits: a handler runs at once, and what it raises ends the wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple

import pytest

from procession._engine.ipc.transport import wait
from tests.waiting import HANG_GUARD_SECONDS


class Objects(NamedTuple):
    """An empty queue, a full one, and the two ends of a pipe."""

    empty: Any
    full: Any
    end: Any
    other: Any


# Each waits for ever.
WAITS: dict[str, Callable[[Objects], Any]] = {
    "get": lambda on: on.empty.get(),
    "get with a time": lambda on: on.empty.get(timeout=HANG_GUARD_SECONDS),
    "get_many": lambda on: on.empty.get_many(5),
    "put": lambda on: on.full.put(2),
    "put_many": lambda on: on.full.put_many([2, 3]),
    "join": lambda on: on.full.join(),
    "recv": lambda on: on.end.recv(),
    "recv_bytes": lambda on: on.end.recv_bytes(),
    "poll": lambda on: on.end.poll(None),
    "wait": lambda on: wait([on.empty, on.end]),
}


@contextmanager
def alarm(handler: Callable[..., None], seconds: float = 0.05) -> Iterator[None]:
    """Run ``handler`` in this thread again and again, every so many seconds."""
    previous = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
class InterruptContract:
    """Instantiate as a test class."""

    @pytest.fixture
    def on(self, any_context: BaseContext) -> Iterator[Objects]:
        """What there is to wait for."""
        made = Objects(
            any_context.JoinableQueue(), any_context.JoinableQueue(1), *any_context.Pipe()
        )
        made.full.put(1)
        yield made
        for each in made:
            each.close()

    @pytest.mark.parametrize("operation", WAITS)
    def test_an_exception_of_a_handler_ends_the_wait(self, on: Objects, operation: str) -> None:
        """Ctrl-C, or whatever a handler raises, comes out of the call that waits."""

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), alarm(interrupt):
            WAITS[operation](on)
        on.empty.put("usable")
        assert on.empty.get_nowait() == "usable"
        assert on.full.get_nowait() == 1
        on.other.send("usable")
        assert on.end.recv() == "usable"

    @pytest.mark.parametrize("operation", WAITS)
    def test_a_handler_that_returns_does_not(self, on: Objects, operation: str) -> None:
        """After a handler that returns, the call goes on waiting until it has what it waits for."""
        calls: list[int] = []
        called_twice = threading.Event()

        def note(*_: object) -> None:
            calls.append(1)
            if len(calls) == 2:
                called_twice.set()

        def satisfy() -> None:
            called_twice.wait(HANG_GUARD_SECONDS)
            on.empty.put(b"message")
            on.full.get()
            on.full.task_done()
            on.other.send_bytes(b"\x80\x05N.")  # None, pickled
            if operation == "put_many":
                on.full.get()

        helper = threading.Thread(target=satisfy)
        with alarm(note, 0.01):
            helper.start()
            WAITS[operation](on)
            helper.join(HANG_GUARD_SECONDS)
        assert len(calls) >= 2
