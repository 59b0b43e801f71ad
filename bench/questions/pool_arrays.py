"""What does it cost to send arrays to workers and to get arrays back?

`in and out`: 64 arrays of 8 MiB, each answered by a new one of the same size (`array + 1`).
`closure`: `partial(f, array of 256 MiB)` mapped over 16 items: how often does a
contender copy what is the same for all tasks?  `map` with default arguments, two warm workers;
one map before the count, since memory that is touched for the first time costs everybody the same.
"""

from __future__ import annotations

import functools
import time
from typing import Any

from bench import tasks
from bench.case import Case, Question, Target
from bench.contenders import Contender
from bench.pools import RivalPool, open_pool, warm

MIB = 1 << 20


def _in_and_out(pool: RivalPool) -> None:
    import numpy as np

    arrays = [np.full(MIB, float(number)) for number in range(64)]
    results = pool.map(tasks.add_one, arrays)
    assert [float(result[-1]) for result in results] == [number + 1.0 for number in range(64)]


def _closure(pool: RivalPool) -> None:
    import numpy as np

    array = np.arange(32 * MIB, dtype=np.float64)
    function = functools.partial(tasks.element, array)
    assert pool.map(function, list(range(16))) == [float(number) for number in range(16)]


WORK: dict[str, Any] = {"in and out": _in_and_out, "closure": _closure}


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return seconds of one map."""
    work = WORK[case.parameters["kind"]]
    pool = open_pool(contender)
    warm(pool)
    if seconds > 1:
        work(pool)
    began = time.perf_counter()
    work(pool)
    took = time.perf_counter() - began
    pool.close()
    return {"s": took}


QUESTION = Question(
    key="pool_arrays",
    title="Pool: arrays",
    cases=(
        Case(
            "64 arrays of 8 MiB in and out",
            "s",
            "pool.map",
            ("procession", "stdlib", "loky"),
            (Target(8),),
            {"kind": "in and out"},
            headline=True,
        ),
        Case(
            "closure over 256 MiB, 16 items",
            "s",
            "pool.map",
            ("procession", "stdlib", "joblib"),
            (Target(60),),
            {"kind": "closure"},
            headline=True,
        ),
    ),
    measure=measure,
)
