"""The message log, and the death of a process at any of its steps.

A step is an instruction of the interpreter that may change what others see: a store into memory, or
a call.  In each case a child is killed before every one of them.  What it did must have been done
or not, and nobody who waits may be left waiting for what is there.
"""

from __future__ import annotations

import dis
import os
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import CodeType
from typing import Any, NamedTuple

import pytest

from procession._engine.ipc.portable_log import MessageLog
from procession._engine.ipc.portable_records import BELL
from tests.instructions import before_each

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

MIB = 1 << 20
FEW = [b"one", b"two" * 30_000, b"three"]
MANY = [bytes([each]) * 900_000 for each in range(5)]
LONG = b"long" * 100_000


class Case(NamedTuple):
    """What a process is killed in."""

    bound: int
    before: list[bytes]
    operation: Callable[[MessageLog], object]
    put: Sequence[bytes] = ()
    """What is there afterwards, in addition."""
    taken: int = 0
    """How many of the first are gone afterwards."""
    prepare: Callable[[MessageLog], object] = lambda _: None


def _leave_far_from_the_beginning(log: MessageLog) -> None:
    """No messages, and a tail beyond where a producer begins again."""
    log.append([bytes(9_000)])
    log.take(1)


def _leave_much_behind(log: MessageLog) -> None:
    """A long file whose first part was taken, and so the rest may be copied to the front."""
    log.take(100)
    log.append([bytes(MIB)] * 17)
    log.append([b"rest"])
    log.append(FEW)
    for _ in range(16):
        log.take(1)


def _sleep_at(log: MessageLog) -> None:
    """As who waits for a message does, just before it sleeps."""
    log.wait_for_message(0)


def _wait_for_room(log: MessageLog) -> None:
    log.wait_for_room(0)


def _wait_until_done(log: MessageLog) -> None:
    log.wait_for_idle(0)


CASES = {
    "put": Case(10, FEW, lambda log: log.put_one(b"four"), [b"four"]),
    "put a long one": Case(10, FEW, lambda log: log.put_one(LONG), [LONG]),
    "put the first": Case(10, [], lambda log: log.put_one(b"one"), [b"one"]),
    "put for a sleeper": Case(10, [], lambda log: log.put_one(b"one"), [b"one"], 0, _sleep_at),
    "put where others look": Case(
        10, [], lambda log: log.put_one(b"one"), [b"one"], 0, MessageLog.watch
    ),
    "put at the beginning again": Case(
        0, [], lambda log: log.put_one(b"one"), [b"one"], 0, _leave_far_from_the_beginning
    ),
    "put where there is no room": Case(3, FEW, lambda log: log.put_one(b"four")),
    "put many": Case(10, FEW, lambda log: log.append(MANY[:3]), MANY[:3]),
    "put many for a sleeper": Case(10, [], lambda log: log.append(FEW), FEW, 0, _sleep_at),
    "put many at the beginning again": Case(
        0, [], lambda log: log.append(FEW), FEW, 0, _leave_far_from_the_beginning
    ),
    "take": Case(10, FEW, MessageLog.take_one, (), 1),
    "take under a claim": Case(10, FEW, lambda log: log.take_one(7), (), 1),
    "take the last": Case(10, FEW[:1], MessageLog.take_one, (), 1),
    "take a long one": Case(10, [LONG, b"next"], MessageLog.take_one, (), 1),
    "take the last where others look": Case(
        10, FEW[:1], MessageLog.take_one, (), 1, MessageLog.watch
    ),
    "take where one waits for room": Case(3, FEW, MessageLog.take_one, (), 1, _wait_for_room),
    "take the last of a long file": Case(0, MANY, lambda log: log.take(100), (), 5),
    "take many": Case(10, FEW, lambda log: log.take(2, 7), (), 2),
    "take many where one waits for room": Case(
        3, FEW, lambda log: log.take(3), (), 3, _wait_for_room
    ),
    "copy the rest to the front": Case(
        0, [b"rest", *FEW], lambda log: log.take(1), (), -1, _leave_much_behind
    ),
    "sleep": Case(0, [], _sleep_at),
    "watch": Case(0, FEW, MessageLog.watch),
    "wait for room": Case(3, FEW, MessageLog.expect_room),
    "finish a task": Case(10, FEW, MessageLog.finish_task, (), 0, _wait_until_done),
}


@pytest.mark.parametrize("name", CASES)
def test_a_death_at_any_step_is_all_or_nothing(name: str) -> None:
    """Others find the log as before the operation or as after it, and go on."""
    case = CASES[name]
    steps = _count_steps(case)
    assert steps > 5
    for step in range(1, steps + 1):
        log = _prepared(case)
        assert _die_in(case, log, step) == -signal.SIGKILL, step
        _check(case, log)
        log.close()


def _prepared(case: Case) -> MessageLog:
    log = MessageLog(case.bound, counts_tasks=True)
    log.append(case.before)
    case.prepare(log)
    return log


def _die_in(case: Case, log: MessageLog, step: int) -> int:
    """Do the operation in a child that is killed before that step; returns its exit code."""
    child = os.fork()
    if child == 0:
        with _each_step(
            lambda number: os.kill(os.getpid(), signal.SIGKILL if number == step else 0)
        ):
            case.operation(log)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _count_steps(case: Case) -> int:
    log = _prepared(case)
    counted = 0

    def note(number: int) -> None:
        nonlocal counted
        counted = number

    with _each_step(note):
        case.operation(log)
    log.close()
    return counted


@contextmanager
def _each_step(before: Callable[[int], None]) -> Iterator[None]:
    """Call ``before`` with 1, 2, 3, ... before each step of what is done in the log's files."""
    number = 0

    def count(code: CodeType, offset: int) -> None:
        nonlocal number
        if offset in _steps_of(code):
            number += 1
            before(number)

    with before_each("portable_", count):
        yield


@cache
def _steps_of(code: CodeType) -> frozenset[int]:
    return frozenset(
        instruction.offset
        for instruction in dis.get_instructions(code)
        if instruction.opname.startswith(("STORE_S", "CALL", "RETURN"))
    )


def _check(case: Case, log: MessageLog) -> None:
    header, words = log.header(), log._view[1]
    gone = header.taken - _taken_before(case)
    before, after = case.before, [*case.before[max(case.taken, 0) :], *case.put]
    if case.taken < 0:  # the message in front of what is compared
        before, after = [bytes(MIB), *case.before], case.before
    size = header.put - header.taken
    expected = before if size == len(before) and gone == 0 else after
    assert size == len(expected)
    assert header.unfinished in (header.put, header.put - 1)
    if size and (words[BELL] or case.prepare in (_sleep_at, MessageLog.watch)):
        assert _is_open(log._ready)
    if case.prepare is _wait_for_room and not log.full():
        assert _is_open(log._room)
    if case.prepare is _wait_until_done and log.all_finished():
        assert _is_open(log._idle)
    if log.read_claim(7)[1] and gone == 0:
        assert log.read_claim(7)[0] >= header.taken
    assert [log.take_one() for _ in range(size // 2)] == expected[: size // 2]
    assert log.take(100) == expected[size // 2 :]
    assert log.take_one() is None
    _go_on(log)


def _go_on(log: MessageLog) -> None:
    """The log serves those who stay."""
    gate = log.watch()
    log.empty()
    assert not _is_open(gate)
    for message in (b"usable", LONG, b"x" * 10_000, b"y" * 10_000):
        assert log.put_one(message)
        assert _is_open(gate)
        assert log.append([message])[1] == 1
        assert log.take_one() == message
        assert log.take(1) == [message]
        assert not _is_open(gate)


def _taken_before(case: Case) -> int:
    log = _prepared(case)
    taken = log.header().taken
    log.close()
    return taken


def _is_open(gate: Any) -> bool:
    return bool(select.select([gate], [], [], 0)[0])
