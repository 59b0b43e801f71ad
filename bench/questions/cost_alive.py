"""Does a message cost more when many queues or pipes are alive?

One process holds so many queues (pipes), each used once, and puts and gets (sends and receives)
one message through them in turn; the figure is one of each.  The highest numbers are what a limit
of 20,000 descriptors allows: a queue needs two, a pipe two and ours five.  Where the system
allows fewer, the run says so and is not counted.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

from bench import queues
from bench.case import Case, Curve, Question
from bench.contenders import Contender

MOST = {"queues": 9_900, "pipes": 3_900}

Ends = tuple[Callable[[Any], object], Callable[[], Any]]


def _queue(context: Any) -> Ends:
    # SimpleQueue: the standard Queue would start a thread for each.
    queue = context.SimpleQueue()
    return queue.put, queue.get


def _pipe(context: Any) -> Ends:
    one, other = context.Pipe()
    return one.send, other.recv


KINDS: dict[str, Callable[[Any], Ends]] = {"queues": _queue, "pipes": _pipe}


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return microseconds of a put and a get, and of making a queue; or of a pipe's."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count, make = case.parameters["alive"], KINDS[case.parameters["kind"]]
    context = queues.fork_context(contender)
    began = time.perf_counter()
    alive = [make(context) for _ in range(count)]
    making = time.perf_counter() - began
    for put, get in alive:
        put(7)
        get()
    pairs = 0
    deadline = time.perf_counter() + seconds
    began = time.perf_counter()
    while time.perf_counter() < deadline:
        for put, get in alive:
            put(7)
            get()
        pairs += count
    took = time.perf_counter() - began
    return {"us": took / pairs * 1e6, "us to make one": making / count * 1e6}


def _case(kind: str, count: int) -> Case:
    short = ("procession", "stdlib") if kind == "queues" and count in (1, 1_000) else ()
    return Case(
        name=f"{count:,} {kind}",
        unit="us/put+get",
        needs="unbounded_alive",
        short=short,
        parameters={"kind": kind, "alive": count},
    )


QUESTION = Question(
    key="cost_alive",
    title="Cost by queues and pipes alive",
    cases=tuple(_case(kind, count) for kind in KINDS for count in (1, 10, 100, 1_000, MOST[kind])),
    measure=measure,
    curve=Curve("alive", "alive", series="kind"),
)
