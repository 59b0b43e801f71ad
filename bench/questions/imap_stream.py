"""Does `imap` over an endless generator keep its head, and how fast does it go?

`throughput`: a generator of a million numbers, results taken as fast as they come, for the
measuring time; the figure counts from the first result.  `slow reader`: one result is taken each
5 ms for two seconds; the figure is how far the pool read ahead of its reader, and beside it how
much the caller's memory grew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bench import tasks
from bench.case import Case, Question, Target
from bench.contenders import Contender
from bench.pools import RivalPool, open_pool, warm

MILLION = 1_000_000


class _Source:
    """Numbers, counted as they are drawn."""

    def __init__(self) -> None:
        self.drawn = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(MILLION):
            self.drawn += 1
            yield number


def _resident_mib() -> float:
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * 4096 / (1 << 20)


def _throughput(pool: RivalPool, seconds: float) -> dict[str, float]:
    results = iter(pool.imap(tasks.double, iter(_Source())))
    assert next(results) == 0
    began = time.perf_counter()
    taken = 0
    for _ in results:
        taken += 1
        if time.perf_counter() - began > seconds:
            break
    return {"us": (time.perf_counter() - began) / taken * 1e6, "taken": taken}


def _slow_reader(pool: RivalPool, seconds: float) -> dict[str, float]:
    source = _Source()
    before = _resident_mib()
    results = iter(pool.imap(tasks.double, iter(source)))
    deadline = time.perf_counter() + max(2.0, seconds)
    taken = 0
    while time.perf_counter() < deadline:
        next(results)
        taken += 1
        time.sleep(0.005)
    return {
        "read ahead": source.drawn - taken,
        "MiB grown": max(0.0, _resident_mib() - before),
        "taken": taken,
    }


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return microseconds per result, or how many items were drawn and not yet taken."""
    pool = open_pool(contender)
    warm(pool)
    work = _slow_reader if case.name == "slow reader" else _throughput
    figures = work(pool, seconds)
    pool.abandon()
    return figures


QUESTION = Question(
    key="imap_stream",
    title="Pool: imap over a generator of a million",
    cases=(
        Case(
            "throughput",
            "us/result",
            "pool.imap",
            (),
            (Target(30),),
        ),
        Case("slow reader", "items read ahead", "pool.imap", ("procession", "stdlib")),
    ),
    measure=measure,
)
