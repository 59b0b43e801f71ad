"""What does a task cost a ThreadPool, and does it keep all its threads at work?

`abs` of 20,000 numbers (5,000 with `apply_async`, 1,000 with `apply`, which waits for each), and
sleeps of 1 ms, 16 for each thread, where the ideal is 1 ms divided by the number of threads.
Both sides make a new list of all results, or a loop takes them one by one, as the method does.
"""

from __future__ import annotations

import importlib
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from bench.case import Case, Question, Target
from bench.contenders import Contender

Call = Callable[[Any, Callable[[Any], Any], list[int]], object]


def _take(results: Any) -> None:
    deque(results, maxlen=0)


def _apply_all(pool: Any, function: Callable[[Any], Any], items: list[int]) -> None:
    for item in items:
        pool.apply(function, (item,))


def _submit_all(pool: Any, function: Callable[[Any], Any], items: list[int]) -> None:
    for result in [pool.apply_async(function, (item,)) for item in items]:
        result.get()


CALLS: dict[str, Call] = {
    "map": lambda pool, f, items: pool.map(f, items),
    "map, chunksize=1": lambda pool, f, items: pool.map(f, items, 1),
    "starmap": lambda pool, f, items: pool.starmap(f, [(item,) for item in items]),
    "imap": lambda pool, f, items: _take(pool.imap(f, items)),
    "imap, generator": lambda pool, f, items: _take(pool.imap(f, (item for item in items))),
    "imap, chunksize=100": lambda pool, f, items: _take(pool.imap(f, items, 100)),
    "imap_unordered": lambda pool, f, items: _take(pool.imap_unordered(f, items)),
    "apply": _apply_all,
    "apply_async": _submit_all,
}


def _nap(_: int) -> None:
    time.sleep(0.001)


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return the median of microseconds per task."""
    threads, count = case.parameters["threads"], case.parameters["tasks"]
    call = CALLS[case.parameters["method"]]
    function = _nap if case.parameters["sleeps"] else abs
    pool = importlib.import_module(f"{contender.module}.pool").ThreadPool(threads)
    items = list(range(count))
    call(pool, function, items)
    durations: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(durations) < 3 or time.perf_counter() < deadline:
        began = time.perf_counter()
        call(pool, function, items)
        durations.append(time.perf_counter() - began)
    pool.close()
    pool.join()
    return {"us": sorted(durations)[len(durations) // 2] / count * 1e6, "tasks": count}


def _case(method: str, threads: int, *, sleeps: bool = False) -> Case:
    count = {"apply": 1_000, "apply_async": 5_000}.get(method, 20_000)
    return Case(
        name=f"{method}, {threads} threads" + (", sleeps of 1 ms" if sleeps else ""),
        unit="us/task",
        needs="pool.threads",
        targets=(Target(0.95 if sleeps else 1.0),),
        parameters={
            "method": method,
            "threads": threads,
            "tasks": 16 * threads if sleeps else count,
            "sleeps": sleeps,
        },
    )


QUESTION = Question(
    key="thread_pool",
    title="ThreadPool: tasks that do next to nothing, and tasks that sleep",
    cases=(
        *(_case(method, threads) for threads in (1, 2, 8) for method in CALLS),
        *(
            _case(method, threads, sleeps=True)
            for threads in (2, 8)
            for method in ("map", "map, chunksize=1", "imap", "apply_async")
        ),
    ),
    measure=measure,
)
