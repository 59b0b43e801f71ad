"""How much of two cores do tasks get that take their time?

Tasks keep a core busy for a given time by the clock, so that a noisy machine slows no task
down, only the handing out.  `even`: 2,000 tasks of 1 ms.  `heavy tail`: 1,500 tasks whose times
follow a Pareto law (shape 1.3, from 0.3 ms, none above 50 ms; the same for everybody).  The
figure is the ideal time divided by the time of `map` with default arguments.  The ideal is
measured, before and after: two bare forked processes do the same tasks, split so that both have
the same to do; so a machine that others use as well makes it longer for both.
"""

from __future__ import annotations

import os
import random
import time

from bench import tasks
from bench.case import Case, Question, Target
from bench.contenders import Contender
from bench.pools import open_pool, warm

WORKERS = 2


def _durations(kind: str) -> list[float]:
    if kind == "even":
        return [0.001] * 2000
    chance = random.Random(4)
    return [min(0.05, 0.0003 * chance.paretovariate(1.3)) for _ in range(1500)]


def _bare_time(durations: list[float]) -> float:
    """Seconds that two processes take for the tasks when nobody has to hand them out."""
    shares: list[list[float]] = [[] for _ in range(WORKERS)]
    for duration in sorted(durations, reverse=True):
        min(shares, key=sum).append(duration)
    began = time.perf_counter()
    children = []
    for share in shares:
        child = os.fork()
        if child == 0:
            for duration in share:
                tasks.spin(duration)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return time.perf_counter() - began


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:  # noqa: ARG001
    """Return the part of the ideal that was reached, and the time in seconds."""
    durations = _durations(case.parameters["kind"])
    pool = open_pool(contender, workers=WORKERS)
    warm(pool)
    bare = _bare_time(durations)
    began = time.perf_counter()
    pool.map(tasks.spin, durations)
    took = time.perf_counter() - began
    bare = (bare + _bare_time(durations)) / 2
    pool.close()
    return {"part of ideal": bare / took, "s": took, "ideal s": bare}


def _case(kind: str, name: str, at_least: float) -> Case:
    return Case(
        name=name,
        unit="part of ideal",
        needs="pool.map",
        short=("procession", "stdlib"),
        targets=(Target(at_least, against=None), Target(1)),
        parameters={"kind": kind},
        more_is_better=True,
    )


QUESTION = Question(
    key="pool_balance",
    title="Pool: tasks that take their time",
    cases=(
        _case("even", "2,000 tasks of 1 ms", 0.98),
        _case("tail", "heavy tail", 0.97),
    ),
    measure=measure,
)
