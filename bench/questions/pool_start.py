"""What does a Pool of two cost that is made, used once, closed and joined?

A whole life each time: `Pool(2)`, `map` of two tiny tasks, `close`, `join`, in the same
fresh process again and again; the first life is not counted, so a forkserver is warm.  Rivals
that have one way only to start workers are listed with the method that is nearest to it.
"""

from __future__ import annotations

import statistics
import time

from bench import tasks
from bench.case import Case, Question, Target
from bench.contenders import Contender
from bench.pools import open_pool


def _one_life(contender: Contender, method: str) -> float:
    began = time.perf_counter()
    pool = open_pool(contender, method)
    assert pool.map(tasks.double, [1, 2]) == [2, 4]
    pool.close()
    return (time.perf_counter() - began) * 1e3


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return the median of a life in milliseconds."""
    method = case.parameters["method"]
    _one_life(contender, method)
    deadline = time.perf_counter() + seconds
    lives = [_one_life(contender, method)]
    while time.perf_counter() < deadline:
        lives.append(_one_life(contender, method))
    return {"ms": statistics.median(lives), "slowest ms": max(lives), "lives": len(lives)}


def _case(method: str, at_least: float, peers: tuple[str, ...] = ()) -> Case:
    return Case(
        name=method,
        unit="ms",
        needs=f"pool.start.{method}",
        short=("procession", "stdlib", *peers),
        targets=(Target(at_least),),
        parameters={"method": method},
        headline=method == "forkserver",
    )


QUESTION = Question(
    key="pool_start",
    title="Pool(2): made, used once, closed, joined",
    cases=(_case("fork", 1, ("futures",)), _case("forkserver", 3), _case("spawn", 1)),
    measure=measure,
)
