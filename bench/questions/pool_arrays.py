"""What does it cost to send arrays to workers and to get arrays back?

`in and out`: 64 arrays of 8 MiB, each answered by a new one of the same size (`array + 1`).
`closure`: `partial(f, array of 256 MiB)` mapped over 16 items: how often does a
contender copy what is the same for all tasks?  `map` with default arguments, two warm workers;
the arrays are made before the pool is asked, and one map is not counted.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable

from bench import tasks
from bench.case import Case, Question, Target
from bench.contenders import Contender
from bench.pools import RivalPool, open_pool, warm

MIB = 1 << 20


Work = Callable[[RivalPool], None]


def _in_and_out() -> Work:
    import numpy as np

    arrays = [np.full(MIB, float(number)) for number in range(64)]

    def work(pool: RivalPool) -> None:
        results = pool.map(tasks.add_one, arrays)
        assert [float(result[-1]) for result in results] == [number + 1.0 for number in range(64)]

    return work


def _closure() -> Work:
    import numpy as np

    function = functools.partial(tasks.element, np.arange(32 * MIB, dtype=np.float64))

    def work(pool: RivalPool) -> None:
        assert pool.map(function, list(range(16))) == [float(number) for number in range(16)]

    return work


KINDS: dict[str, Callable[[], Work]] = {"in and out": _in_and_out, "closure": _closure}


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return seconds of one map."""
    pool = open_pool(contender)
    warm(pool)
    work = KINDS[case.parameters["kind"]]()
    work(pool)
    times: list[float] = []
    while sum(times) < seconds:
        began = time.perf_counter()
        work(pool)
        times.append(time.perf_counter() - began)
    pool.close()
    return {"s": statistics.median(times), "maps": len(times)}


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
