"""Calls of all kinds to a pool whose workers are being killed, and an account of every task.

The account of a call: one outcome for each task, in its place; the right parcel, or WorkerDied
when as many of its own attempts died as it had; and no task begun more often than that.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from procession._engine.errors import WorkerDied
from procession._engine.pool.board import STARTING
from tests.chaos import payloads

PATIENCE_SECONDS = 60.0
STOPPED_SECONDS = 0.005

Outcome = Any


def _map(pool: Any, parcels: Sequence[Any], rng: random.Random, retries: int) -> list[Outcome]:
    chunksize = rng.choice([None, 1, 5])
    found: list[Outcome] = pool.map(
        payloads.answer, parcels, chunksize, retries=retries, on_error="return"
    )
    return found


def _starmap(pool: Any, parcels: Sequence[Any], rng: random.Random, retries: int) -> list[Outcome]:
    pairs = [(parcel, rng.choice(parcels)) for parcel in parcels]
    found: list[Outcome] = pool.starmap(
        payloads.answer_all, pairs, retries=retries, on_error="return"
    )
    return found


def _imap(pool: Any, parcels: Sequence[Any], rng: random.Random, retries: int) -> list[Outcome]:
    source = rng.choice([list, iter])(parcels)
    buffersize = rng.choice([None, 10])
    return list(
        pool.imap(
            payloads.answer,
            source,
            rng.randrange(1, 4),
            buffersize=buffersize,
            retries=retries,
            on_error="return",
        )
    )


def _imap_unordered(
    pool: Any, parcels: Sequence[Any], rng: random.Random, retries: int
) -> list[Outcome]:
    results = pool.imap_unordered(
        payloads.answer, iter(parcels), rng.randrange(1, 4), retries=retries, on_error="return"
    )
    return _in_order(list(results), parcels)


def _apply_async(
    pool: Any, parcels: Sequence[Any], rng: random.Random, retries: int
) -> list[Outcome]:
    results = [pool.apply_async(payloads.answer, (each,), retries=retries) for each in parcels]
    rng.shuffle(order := list(range(len(results))))
    outcomes: list[Outcome] = [None] * len(results)
    for index in order:
        try:
            outcomes[index] = results[index].get(PATIENCE_SECONDS)
        except WorkerDied as error:
            outcomes[index] = error
    return outcomes


def _map_async(
    pool: Any,
    parcels: Sequence[Any],
    rng: random.Random,
    retries: int,
) -> list[Outcome]:
    told: list[Outcome] = []
    result = pool.map_async(
        payloads.answer, parcels, callback=told.append, retries=retries, on_error="return"
    )
    found: list[Outcome] = result.get(PATIENCE_SECONDS)
    assert told == [found], "the callback is called once, with what get() returns"
    return found


KINDS: tuple[Callable[[Any, Sequence[Any], random.Random, int], list[Outcome]], ...] = (
    _map,
    _starmap,
    _imap,
    _imap_unordered,
    _apply_async,
    _map_async,
)


def _in_order(outcomes: list[Outcome], parcels: Sequence[Any]) -> list[Outcome]:
    """Sort the outcomes of an unordered call by task; two for one task are found here."""
    first = parcels[0].number
    by_task: list[Outcome] = [None] * len(parcels)
    for outcome in outcomes:
        died = isinstance(outcome, WorkerDied)
        index = outcome.index if died else outcome.number - 1 - first
        assert by_task[index] is None, f"task {index} ended twice"
        by_task[index] = outcome
    return by_task


class Campaign:
    """Rounds of calls with one pool; ``done`` and ``died`` count how tasks ended."""

    def __init__(self, pool: Any, trace: Path, seed: int) -> None:
        self._pool = pool
        self._trace = payloads.Trace(trace)
        self._rng = random.Random(seed)
        self._next = 0
        self.done = 0
        self.died = 0

    def round(self, tasks: int, retries: int, kind: int | None = None) -> None:
        """Run one call of some kind and account for its tasks."""
        numbers = range(self._next, self._next + tasks)
        self._next = numbers.stop
        parcels = [payloads.parcel(number) for number in numbers]
        run = self._rng.choice(KINDS) if kind is None else KINDS[kind % len(KINDS)]
        outcomes = run(self._pool, parcels, self._rng, retries)
        assert len(outcomes) == tasks, f"{run.__name__}: {len(outcomes)} outcomes of {tasks} tasks"
        begun = self._trace.begun()
        for number, outcome in zip(numbers, outcomes, strict=True):
            self._account(run.__name__, number, outcome, begun[number], retries)

    def _account(self, name: str, number: int, outcome: Outcome, begun: int, retries: int) -> None:
        if isinstance(outcome, WorkerDied):
            assert len(outcome.attempts) == retries + 1, f"{name}, {number}: {outcome}"
            self.died += 1
        else:
            assert payloads.check(outcome) == number + 1, f"{name}, {number}: {outcome.number}"
            assert begun >= 1, f"{name}, {number}: has a result and was never begun"
            self.done += 1
        if retries == 0:
            assert begun <= 1, f"{name}, {number}: begun {begun} times without retries"


class Killer(threading.Thread):
    """Sends signals to workers that have started, one after the other, until told to stop."""

    def __init__(self, pool: Any, seed: int, pause: float, most: int) -> None:
        super().__init__(name="chaos-killer", daemon=True)
        self._pool = pool
        self._rng = random.Random(seed)
        self._pause = pause
        self._most = most
        self._enough = threading.Event()
        self.kills = 0

    def run(self) -> None:
        while self.kills < self._most and not self._enough.wait(
            self._rng.uniform(0, 2 * self._pause)
        ):
            slot = self._rng.randrange(len(self._pool._pool))
            pid = self._pool._pool[slot].pid
            if self._pool._engine.crew.board.place(slot) == STARTING:
                continue  # deaths in a row at the start rightly break a pool
            number = self._rng.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
            if number == signal.SIGSTOP:
                _stop_for_a_moment(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT if number == signal.SIGSTOP else number)
                self.kills += 1

    def stop(self) -> None:
        """Send no more, and wait for the thread."""
        self._enough.set()
        self.join()


def _stop_for_a_moment(pid: int) -> None:
    """Stop and continue a process, from another one.

    A worker may be stopped within a step of a queue; all threads of a process that waits for
    that step may stand still, the killer's among them.
    """
    script = f"exec 2>/dev/null; kill -STOP {pid}; sleep {STOPPED_SECONDS}; kill -CONT {pid}"
    # Not by subprocess: it reads from a pipe until the program runs, and a worker that is
    # forked at this moment would hold the other end for as long as it lives.
    os.waitpid(os.posix_spawn("/bin/sh", ["/bin/sh", "-c", script], os.environ), 0)


@contextmanager
def exposed_pool(
    context: BaseContext, folder: Path, workers: int = 2, point: str = "", bombs: int = 0
) -> Iterator[tuple[Any, Path]]:
    """Make a pool whose first ``bombs`` workers die at ``point``; gives it and the trace."""
    trace, tokens = folder / "trace", folder / "tokens"
    tokens.mkdir()
    arguments = (str(trace), context.Lock(), point, str(tokens), bombs)
    pool = context.Pool(workers, payloads.expose, arguments)
    try:
        yield pool, trace
        pool.close()
        pool.join()
    finally:
        pool.terminate()
        pool.join()
        for process in pool._pool:
            process.close()
