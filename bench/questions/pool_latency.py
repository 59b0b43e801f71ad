"""How long does one `apply` take on an idle Pool, and how long in the bad case?

`pool.apply(f, (x,))` one after another, two warm workers; the caller does nothing else.
"""

from __future__ import annotations

import time

from bench import tasks
from bench.case import Case, Question, Target
from bench.contenders import Contender
from bench.pools import open_pool, warm

WARM_UP = 100
MOST = 20_000


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:  # noqa: ARG001
    """Return median and 99th percentile in microseconds."""
    pool = open_pool(contender)
    warm(pool)
    clock = time.perf_counter_ns
    deadline = clock() + int(seconds * 1e9)
    durations: list[int] = []
    while len(durations) < WARM_UP * 2 or (clock() < deadline and len(durations) < MOST):
        began = clock()
        pool.apply(tasks.double, 21)
        durations.append(clock() - began)
    pool.close()
    durations = sorted(durations[WARM_UP:])
    return {
        "p50 us": durations[len(durations) // 2] / 1e3,
        "p99 us": durations[len(durations) * 99 // 100] / 1e3,
        "calls": len(durations),
    }


QUESTION = Question(
    key="pool_latency",
    title="Pool: one apply",
    cases=(
        Case(
            "apply",
            "us, median",
            "pool.apply",
            ("procession", "stdlib"),
            (Target(10), Target(10, metric="p99 us")),
            headline=True,
        ),
    ),
    measure=measure,
)
