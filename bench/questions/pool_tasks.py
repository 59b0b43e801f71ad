"""What does a task cost a Pool when it does next to nothing?

`x * 2` over 100,000 numbers, two workers.  `default arguments` lets everybody choose how to
cut the list; the other rows send tasks one by one.  Whoever would need more than a few
times the measuring time gets fewer numbers (never below 2,000; how many stands in the data),
except under default arguments, where the number decides the size of a chunk.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench import tasks
from bench.case import Case, Question, Target
from bench.contenders import Contender
from bench.pools import RivalPool, open_pool, warm

FEWEST = 2_000
RIVALS = ("procession", "stdlib")

CALLS: dict[str, Callable[[RivalPool, list[int]], list[int]]] = {
    "map, default arguments": lambda pool, items: pool.map(tasks.double, items),
    "map, chunksize=1": lambda pool, items: pool.map(tasks.double, items, 1),
    "imap_unordered": lambda pool, items: sorted(pool.imap_unordered(tasks.double, items)),
    "imap": lambda pool, items: list(pool.imap(tasks.double, items)),
    "apply_async": lambda pool, items: pool.submit_all(tasks.double, items),
}


def _timed(call: Callable[[RivalPool, list[int]], list[int]], pool: RivalPool, count: int) -> float:
    items = list(range(count))
    began = time.perf_counter()
    results = call(pool, items)
    took = time.perf_counter() - began
    assert results == [item * 2 for item in items]
    return took


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return microseconds per task."""
    call, most = CALLS[case.name], case.parameters["tasks"]
    pool = open_pool(contender)
    warm(pool)
    took, count = _timed(call, pool, FEWEST), FEWEST
    affordable = int(FEWEST * seconds * 3 / took)
    fixed = "default" in case.name and took * most / FEWEST < 60
    if fixed or affordable > FEWEST:
        count = most if fixed else min(most, affordable)
        took, spent, times = 0.0, 0.0, 0
        while spent < seconds and times < 20:
            took = _timed(call, pool, count)
            spent, times = spent + took, times + 1
        took = spent / times
    pool.close()
    return {"us": took / count * 1e6, "tasks": count}


def _case(name: str, needs: str, at_least: float, count: int = 100_000) -> Case:
    return Case(
        name=name,
        unit="us/task",
        needs=needs,
        short=(*RIVALS, "billiard") if "chunksize" in name else RIVALS,
        targets=(Target(at_least),),
        parameters={"tasks": count},
        headline=True,
        patience=200,
    )


QUESTION = Question(
    key="pool_tasks",
    title="Pool: tasks that do next to nothing",
    cases=(
        _case("map, default arguments", "pool.map", 1.2),
        _case("map, chunksize=1", "pool.chunks", 60),
        _case("imap_unordered", "pool.unordered", 30),
        _case("imap", "pool.imap", 30),
        _case("apply_async", "pool.async", 20, 10_000),
    ),
    measure=measure,
)
