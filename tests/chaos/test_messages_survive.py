"""Queues and pipes whose users are killed at every step: what the others may count on.

A dead producer's messages are a beginning of what it wanted to put; a dead consumer takes
with it what it had taken, and one message at most that nobody was told of; everybody else's
messages arrive once, whole and in order.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import BaseContext
from pathlib import Path
from queue import Empty
from typing import Any

import pytest

import procession
from procession._engine.ipc import transport
from tests.chaos import payloads
from tests.conftest import START_METHODS

PATIENCE_SECONDS = 30.0
MESSAGES = 25
OTHERS = 1000
"""The first number of the messages of the process that lives on."""


def put_all(queue: Any, point: str, countdown: int) -> None:
    arm(point, countdown)
    for number in range(MESSAGES):
        queue.put(payloads.parcel(number))


def get_all(queue: Any, point: str, countdown: int, trace: str) -> None:
    payloads.expose(trace)
    arm(point, countdown)
    for _ in range(MESSAGES):
        payloads.note(payloads.check(queue.get()))


def answer_all(connection: Any, point: str, countdown: int) -> None:
    arm(point, countdown)
    with suppress(EOFError):
        while True:
            connection.send(payloads.parcel(payloads.check(connection.recv()) + OTHERS))


def arm(point: str, countdown: int) -> None:
    if point:
        from procession._engine import native  # points there are on this transport alone

        native.arm_kill_point(point, countdown)


@contextmanager
def victim(context: BaseContext, target: Any, *arguments: Any) -> Iterator[Any]:
    """A process that may die at its point; nothing else ends it with another code."""
    process = context.Process(target=target, args=arguments)
    process.start()
    try:
        yield process
        process.join(PATIENCE_SECONDS)
        assert process.exitcode in (0, -signal.SIGKILL)
    finally:
        process.kill()
        process.join()
        process.close()


def drain(queue: Any) -> list[int]:
    """Take everything that is there; each message must be whole."""
    numbers = []
    with suppress(Empty):
        while True:
            numbers.append(payloads.check(queue.get(block=False)))
    return numbers


if transport.NAME == "native":
    from procession._engine.native import KILL_POINTS

    POINTS = [point for point in KILL_POINTS if not point.startswith("sync.")]
    FORK = procession.get_context(START_METHODS[0])

    @pytest.mark.parametrize("countdown", [1, 4])
    @pytest.mark.parametrize("point", POINTS)
    def test_a_producer_dies(point: str, countdown: int) -> None:
        """Its messages are a beginning, the other producer's are all there."""
        queue = FORK.Queue()
        with victim(FORK, put_all, queue, point, countdown) as process:
            for number in range(OTHERS, OTHERS + MESSAGES):
                queue.put(payloads.parcel(number))
            process.join(PATIENCE_SECONDS)
            got = drain(queue)
            dead = [number for number in got if number < OTHERS]
            ours = [number for number in got if number >= OTHERS]
            assert ours == list(range(OTHERS, OTHERS + MESSAGES))
            assert dead == list(range(len(dead)))
            assert process.exitcode or len(dead) == MESSAGES
        queue.close()

    @pytest.mark.parametrize("countdown", [1, 4])
    @pytest.mark.parametrize("point", POINTS)
    def test_a_consumer_dies(point: str, countdown: int, tmp_path: Path) -> None:
        """One message at most is in nobody's hands, none is in two."""
        trace = tmp_path / "trace"
        queue = FORK.Queue()
        for number in range(MESSAGES // 2):
            queue.put(payloads.parcel(number))
        with victim(FORK, get_all, queue, point, countdown, str(trace)) as process:
            for number in range(MESSAGES // 2, MESSAGES):
                queue.put(payloads.parcel(number))
            process.join(PATIENCE_SECONDS)
            ours = drain(queue)
            theirs = payloads.Trace(trace).begun()
            missing = set(range(MESSAGES)) - set(ours) - set(theirs)
            assert ours == sorted(ours)
            assert len(missing) <= 1
            assert len(ours) + theirs.total() + len(missing) == MESSAGES
        queue.close()

    @pytest.mark.parametrize("countdown", [1, 4])
    @pytest.mark.parametrize("point", POINTS)
    def test_the_other_end_dies(point: str, countdown: int) -> None:
        """What it sent is there, then comes the end of the file."""
        ours, theirs = FORK.Pipe()
        with victim(FORK, answer_all, theirs, point, countdown):
            theirs.close()
            with suppress(BrokenPipeError):
                for number in range(MESSAGES):
                    ours.send(payloads.parcel(number))
            got = []
            with suppress(EOFError):
                while len(got) < MESSAGES:
                    assert ours.poll(PATIENCE_SECONDS)
                    got.append(payloads.check(ours.recv()) - OTHERS)
            assert got == list(range(len(got)))
            ours.close()

    @pytest.mark.parametrize("after", [1, 6, 12, 20])
    def test_a_producer_is_killed_from_outside(context: BaseContext, after: int) -> None:
        """Wherever it is: what it had put is there, whole and in order, and no more."""
        queue = context.Queue()
        with victim(context, put_all, queue, "", 0) as process:
            got = [payloads.check(queue.get(timeout=PATIENCE_SECONDS)) for _ in range(after)]
            process.kill()
            process.join(PATIENCE_SECONDS)
            got += drain(queue)
            assert got == list(range(len(got)))
        queue.close()
