"""What does an idle queue, pipe or pool hold, and is a burst's memory given back?

`idle`: a hundred queues (pipes) are made and each is used once, or one Pool(2); what this process
and its children hold more than before, divided by their number.  Proportional sizes, so
a page that two processes share counts once; memory in anonymous files counts as soon as it has
pages, mapped or not; what the system itself holds for a socket or pipe is not seen.
`burst`: 1 GiB in messages of 1 MiB is put, then all of it is taken; what is still held one second
later.
"""

from __future__ import annotations

import gc
import time
from typing import Any

from bench import footprint, queues
from bench.case import Case, Question
from bench.contenders import Contender
from bench.pools import open_pool, warm

COUNT = 100
MIB = 1 << 20


def _held() -> float:
    gc.collect()
    mapped = footprint.kib_of()["Pss_Shmem"]
    return footprint.family() + max(0, footprint.shared_kib() - mapped)


def _idle_queues(contender: Contender) -> dict[str, float]:
    context = queues.fork_context(contender)
    _use_queue(context.Queue())
    before = _held()
    kept = [context.Queue() for _ in range(COUNT)]
    for queue in kept:
        _use_queue(queue)
    return {"KiB": (_held() - before) / COUNT}


def _use_queue(queue: Any) -> None:
    queue.put(1)
    queue.get()


def _idle_pipes(contender: Contender) -> dict[str, float]:
    context = queues.fork_context(contender)
    _use_pipe(context.Pipe())
    before = _held()
    kept = [context.Pipe() for _ in range(COUNT)]
    for pipe in kept:
        _use_pipe(pipe)
    return {"KiB": (_held() - before) / COUNT}


def _use_pipe(pipe: Any) -> None:
    first, second = pipe
    first.send(1)
    second.recv()


def _idle_pool(contender: Contender) -> dict[str, float]:
    before = _held()
    pool = open_pool(contender)
    warm(pool)
    figures = {"KiB": _held() - before}
    pool.close()
    return figures


def _burst(contender: Contender) -> dict[str, float]:
    queue = queues.fork_context(contender).Queue()
    before = _held()
    for number in range(1024):
        queue.put(bytes([number % 256]) * MIB)
    peak = _held()
    for _ in range(1024):
        queue.get()
    time.sleep(1)
    return {
        "MiB still held": max(0.0, (_held() - before) / 1024),
        "MiB at peak": (peak - before) / 1024,
    }


WORK = {
    "idle queue": _idle_queues,
    "idle pipe": _idle_pipes,
    "idle Pool(2)": _idle_pool,
    "after a burst of 1 GiB": _burst,
}


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:  # noqa: ARG001
    """Return KiB per object, or MiB that are still held."""
    return WORK[case.name](contender)


QUESTION = Question(
    key="memory",
    title="Memory",
    cases=tuple(
        Case(
            name,
            "MiB still held" if "burst" in name else "KiB",
            "memory",
            ("procession", "stdlib"),
        )
        for name in WORK
    ),
    measure=measure,
)
