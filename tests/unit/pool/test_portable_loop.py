"""The worker's loop in Python: tasks that run one behind the other, and what comes between them."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Sequence
from functools import cache
from types import CodeType
from typing import Any

import pytest

from procession._engine.pool import portable_loop
from procession._engine.pool.board import ORDER, PLACE, TASKS
from procession._engine.pool.recipe import MAP, STARMAP
from tests.instructions import before_each

TASKS_AT_ONCE = 24


class Left(Exception):
    """The process would have ended here."""


class Loop(portable_loop.WorkLoop):
    """Keeps what it would send: for each task its value, or its exception."""

    def __init__(self, function: Callable[..., Any], kind: int = MAP) -> None:
        self.method = (function, kind, False, False)
        self.words = memoryview(bytearray(16 * 8)).cast("q")
        self.outcomes: dict[int, Any] = {}
        super().__init__(None, self, {}, self.words, 0)

    def work(self, items: Sequence[Any]) -> dict[int, Any]:
        """Run a chunk; returns what came of each task, by its place."""
        self._run_together(7, self.method, items)
        return self.outcomes

    def interrupt(self) -> None:
        """Do what the worker's handler of SIGINT does."""
        if self.interruptible:
            self.interruptible = False
            raise KeyboardInterrupt

    def put(self, message: tuple[Any, ...]) -> None:
        ticket, first, count, values, _ = message
        assert (ticket, count) == (7, len(values))
        self.send(ticket, first, values, None, 0.0)

    def send(
        self,
        ticket: int,  # noqa: ARG002  # the signature
        first: int,
        values: list[Any],
        failures: Any,
        seconds: float,  # noqa: ARG002  # as above
    ) -> None:
        for place, value in enumerate(values):
            assert first + place not in self.outcomes
            self.outcomes[first + place] = (failures or {}).get(place, value)

    def pack(self, error: BaseException) -> Any:
        return error

    def leave_if_told(self) -> None:
        if self.words[ORDER]:
            raise Left


def double(value: int) -> int:
    return 2 * value


class TestEachTask:
    """Has one outcome, in its place."""

    @pytest.mark.parametrize("count", [0, 1, 2, 100])
    def test_of_any_number(self, count: int) -> None:
        """Also of a range, and of arguments in tuples."""
        expected = {place: 2 * place for place in range(count)}
        assert Loop(double).work(range(count)) == expected
        spread = Loop(double, STARMAP)
        assert spread.work([(place,) for place in range(count)]) == expected
        assert spread.words[TASKS] == count

    def test_that_raises_is_the_only_one(self) -> None:
        """StopIteration, too, ends no other task and no loop."""

        def task(value: int) -> int:
            if value % 5 == 3:
                raise StopIteration(value)
            return value

        loop = Loop(task)
        outcomes = loop.work(list(range(100)))
        assert list(outcomes) == list(range(100))
        for place, outcome in outcomes.items():
            if place % 5 == 3:
                assert type(outcome) is StopIteration
                assert outcome.args == (place,)
            else:
                assert outcome == place
        assert loop.words[TASKS] == 100

    def test_knows_its_place_when_it_begins(self) -> None:
        """Whoever looks after its death, reads it on the board."""
        loop: Loop
        places: list[int] = []

        def task(value: int) -> None:
            places.append(loop.words[PLACE])
            if value % 7 == 0:
                raise ValueError(value)

        loop = Loop(task)
        loop.work(list(range(100)))
        assert places == list(range(100))

    def test_is_sent_before_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """While later ones run: of those that take their time, each when it has ended."""
        now = 0
        monkeypatch.setattr(portable_loop.time, "monotonic_ns", lambda: now)
        loop: Loop
        sent: list[int] = []

        def task(_: int) -> None:
            nonlocal now
            now += 60_000_000
            sent.append(len(loop.outcomes))

        loop = Loop(task)
        loop.work(range(5))
        assert sent == [0, 1, 2, 3, 4]

    def test_is_the_last_for_who_is_told_to_leave(self) -> None:
        """A worker looks when a task has raised: an interruption comes with such an order."""
        loop: Loop
        begun: list[int] = []

        def task(value: int) -> None:
            begun.append(value)
            if value == 5:
                loop.words[ORDER] = 1
                raise KeyboardInterrupt

        loop = Loop(task)
        with pytest.raises(Left):
            loop.work(range(100))
        assert begun == list(range(6))


@cache
def _places(code: CodeType) -> frozenset[int]:
    """Offsets of instructions before which signals may be looked for, and of some others."""
    places, previous = {0}, ""
    for instruction in dis.get_instructions(code):
        if "CALL" in previous or "JUMP" in previous or "RESUME" in previous:
            places.add(instruction.offset)
        if "JUMP" in instruction.opname and isinstance(instruction.argval, int):
            places.add(instruction.argval)
        previous = instruction.opname
    return frozenset(places)


class _Striker:
    """Interrupts the loop at the n-th place, if it can be interrupted there."""

    def __init__(self, loop: Loop, place: int) -> None:
        self._loop = loop
        self.left = place

    def __call__(self, code: CodeType, offset: int) -> None:
        if offset in _places(code):
            self.left -= 1
            if not self.left:
                self._loop.interrupt()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="reads CPython's bytecode")
@pytest.mark.parametrize("kind", [MAP, STARMAP])
def test_an_interruption_anywhere_is_the_end_of_one_task_at_most(kind: int) -> None:
    """Of the one that ran, or the next; the others have their results, and none is lost."""
    places = range(TASKS_AT_ONCE)
    items = [(place,) for place in places] if kind == STARMAP else places
    struck, number, left = 0, 0, 0
    while left <= 0:
        number += 1
        loop = Loop(double, kind)
        striker = _Striker(loop, number)
        with before_each("portable_loop", striker):
            outcomes = loop.work(items)
        left = striker.left
        failed = [place for place, value in outcomes.items() if value != 2 * place]
        assert list(outcomes) == list(places)
        assert len(failed) <= 1
        assert all(type(outcomes[place]) is KeyboardInterrupt for place in failed)
        assert loop.words[TASKS] == TASKS_AT_ONCE
        assert not loop.interruptible
        struck += len(failed)
    assert struck > 3 * TASKS_AT_ONCE
