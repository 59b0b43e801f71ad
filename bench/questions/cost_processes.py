"""Does anything collapse when there are many more processes than cores?

`N producers` (into one consumer), `N consumers` (of one producer), `N and N` share a Queue
as in `queue_fan`; `N workers` run tasks of `x * 2` one by one with `imap_unordered`.  On few
cores a message can not get cheaper with more processes; it should not get dearer either.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench import tasks
from bench.case import Case, Curve, Question
from bench.contenders import Contender
from bench.pools import open_pool, warm
from bench.questions import queue_fan

NUMBERS = (1, 2, 4, 8, 16, 32, 64)
SHAPES: dict[str, Callable[[int], tuple[int, int]]] = {
    "producers": lambda number: (number, 1),
    "consumers": lambda number: (1, number),
    "producers and consumers": lambda number: (number, number),
}


def _workers(contender: Contender, number: int, seconds: float) -> dict[str, float]:
    pool = open_pool(contender, workers=number)
    warm(pool)
    count, took = 2_000, 0.0
    while took < seconds / 2:
        began = time.perf_counter()
        results = sum(1 for _ in pool.imap_unordered(tasks.double, range(count)))
        took = time.perf_counter() - began
        assert results == count
        count *= 1 if took >= seconds / 2 else 4
    pool.close()
    return {"us": took / count * 1e6}


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return microseconds per message or task."""
    if case.parameters["shape"] == "workers":
        return _workers(contender, case.parameters["number"], seconds)
    return queue_fan.measure(contender, case, seconds)


def _case(shape: str, number: int) -> Case:
    producers, consumers = SHAPES[shape](number) if shape in SHAPES else (0, 0)
    short = number == 64 and shape in ("producers and consumers", "workers")
    return Case(
        f"{number} {shape}",
        "us/task" if shape == "workers" else "us/message",
        "memory",
        ("procession", "stdlib") if short else (),
        parameters={
            "shape": shape,
            "number": number,
            "producers": producers,
            "consumers": consumers,
        },
    )


QUESTION = Question(
    key="cost_processes",
    title="Cost by processes",
    cases=tuple(_case(shape, number) for shape in (*SHAPES, "workers") for number in NUMBERS),
    measure=measure,
    curve=Curve("number", "processes", series="shape"),
)
