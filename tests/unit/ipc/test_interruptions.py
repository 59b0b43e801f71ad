"""Ctrl-C while a step is made: it comes afterwards, and once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from procession._engine.ipc.interruptions import Held, hold, runs_code
from procession._engine.pool.worker import Worker


@pytest.fixture(autouse=True)
def handler() -> Iterator[Callable[..., object]]:
    """The handler that Python itself sets, there before and after."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def _held() -> Held:
    held = hold()
    assert held is not None
    return held


def test_it_comes_at_the_end() -> None:
    """However often it came."""
    steps, held = [], _held()
    for step in range(3):
        signal.raise_signal(signal.SIGINT)
        steps.append(step)
    with pytest.raises(KeyboardInterrupt):
        held.let_go()
    assert steps == [0, 1, 2]


def test_nothing_comes_where_nothing_came() -> None:
    """And the next one strikes at once."""
    _held().let_go()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_who_holds_it_lets_it_go() -> None:
    """A step within a step leaves that to the outer one."""
    held = _held()
    assert hold() is None
    held.let_go()


def test_a_programs_own_handler_is_called() -> None:
    """With the signal's number."""
    numbers: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: numbers.append(number))
    held = _held()
    signal.raise_signal(signal.SIGINT)
    assert numbers == []
    held.let_go()
    assert numbers == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_nothing_is_held_where_it_strikes_nobody() -> None:
    """In other threads, and where the program ignores it."""
    found: list[Held | None] = []
    thread = threading.Thread(target=lambda: found.append(hold()))
    thread.start()
    thread.join()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    found.append(hold())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert found == [None, None]


def test_the_handler_of_a_pools_worker_runs_no_code_of_the_program() -> None:
    """It raises, as Python's own, or does nothing; others may do anything."""
    assert not runs_code()
    try:
        signal.signal(signal.SIGINT, Worker._on_interrupt)
        assert not runs_code()
        signal.signal(signal.SIGINT, lambda *_: None)
        assert runs_code()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
