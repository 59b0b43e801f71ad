"""Ctrl-C in the middle of a put or a take, again and again: the others can always go on."""

from __future__ import annotations

import dis
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType

import pytest

from procession._engine.ipc.portable_log import MessageLog
from tests.instructions import before_each
from tests.programs import run_program

PROGRAM = """
import os, random, signal, sys, time
from procession._engine.ipc.portable_log import MessageLog
from procession._engine.ipc.portable_records import GETS, PUTS

log = MessageLog()
partner = os.fork()
if partner == 0:  # needs both turns, again and again
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while log.put_one(b"partner") and log.take_one():
        pass

me, (calm, ready) = os.getpid(), os.pipe()
tormentor = os.fork()
if tormentor == 0:
    os.close(ready)
    while os.read(calm, 1):
        time.sleep(random.random() / 2000)
        os.kill(me, signal.SIGINT)
    os._exit(0)

def wait_for_the_partner():
    words = log._view[1]
    for word in (PUTS, GETS):
        seen, end = words[word], time.monotonic() + 20
        while words[word] == seen:
            assert time.monotonic() < end, "the partner waits for a turn that somebody keeps"
            os.sched_yield()

def work():
    while True:
        log.put_one(b"mine")
        log.take_one()

def handle(*_):
    if sys.argv[1] == "uses":
        log.put_one(b"handler")
        log.take_one()
    raise KeyboardInterrupt

if sys.argv[1] == "uses":
    signal.signal(signal.SIGINT, handle)
for _ in range(1_000):
    try:
        os.write(ready, b"x")
        work()
    except KeyboardInterrupt:
        wait_for_the_partner()
signal.signal(signal.SIGINT, signal.SIG_IGN)
wait_for_the_partner()
for child in (tormentor, partner):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
while log.take(100):
    pass
assert log.empty()
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs os.fork")
@pytest.mark.parametrize("handler", ["raises", "uses"])
def test_no_turn_is_kept(handler: str, tmp_path: Path) -> None:
    """Whether the handler only raises, as Python's own, or uses the same log."""
    run_program(["-c", PROGRAM, handler], cwd=tmp_path)


OPERATIONS: dict[str, tuple[list[bytes], Callable[[MessageLog], object]]] = {
    "put": ([b"there"], lambda log: log.put_one(b"mine")),
    "put a long one": ([], lambda log: log.put_one(b"mine" * 100_000)),
    "put where the file ends": ([bytes(11_990)], lambda log: log.put_one(b"mine")),
    "take": ([b"there"] * 2, MessageLog.take_one),
    "take a long one": ([b"there" * 100_000], MessageLog.take_one),
    "take nothing": ([], MessageLog.take_one),
}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 looks in other places")
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="reads CPython's bytecode")
@pytest.mark.parametrize("name", OPERATIONS)
def test_none_is_kept_wherever_it_strikes(name: str) -> None:
    """Raised at the n-th place where Python looks for signals, for every n."""
    before, operation = OPERATIONS[name]
    striker, place = _Striker(0), 0
    while striker.struck or place == 0:
        place += 1
        striker = _Striker(place)
        log = MessageLog()
        log.append(before)
        with suppress(KeyboardInterrupt), before_each("portable_", striker):
            operation(log)
        assert not log._putting.lock.mutex.locked(), striker.struck
        assert not log._taking.lock.mutex.locked(), striker.struck
        assert _another_process_can_use(log), striker.struck
        log.close()
    assert place > 3


class _Striker:
    """Raises KeyboardInterrupt at the n-th place."""

    def __init__(self, place: int) -> None:
        self._left = place
        self.struck: str | None = None

    def __call__(self, code: CodeType, offset: int) -> None:
        if offset in _places(code):
            self._left -= 1
            if not self._left:
                self.struck = f"{code.co_name}, offset {offset}"
                raise KeyboardInterrupt


@cache
def _places(code: CodeType) -> frozenset[int]:
    """Offsets of instructions before which signals were looked for."""
    places, previous = set(), ""
    for instruction in dis.get_instructions(code):
        if previous.startswith(("RESUME", "CALL")) or "JUMP_BACKWARD" in instruction.opname:
            places.add(instruction.offset)
        previous = instruction.opname
    return frozenset(places)


def _another_process_can_use(log: MessageLog) -> bool:
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        log.put_one(b"usable")
        os._exit(0 if log.take_one() else 1)
    return os.waitpid(child, 0)[1] == 0
