"""Does a message cost more when many queues are alive?

One process holds so many queues, each used once, and puts and gets one message through them in
turn; the figure is one put and one get.  Each queue needs descriptors, so the highest numbers need
a limit that allows them; where the system does not, the run says so and is not counted.
"""

from __future__ import annotations

import resource
import time

from bench import queues
from bench.case import Case, Curve, Question
from bench.contenders import Contender

NUMBERS = (1, 10, 100, 1_000, 9_000)


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return microseconds of a put and a get, and of making a queue."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = case.parameters["queues"]
    context = queues.fork_context(contender)
    began = time.perf_counter()
    # SimpleQueue: the standard Queue would start a thread for each.
    alive = [context.SimpleQueue() for _ in range(count)]
    making = time.perf_counter() - began
    for queue in alive:
        queue.put(7)
        queue.get()
    pairs = 0
    deadline = time.perf_counter() + seconds
    began = time.perf_counter()
    while time.perf_counter() < deadline:
        for queue in alive:
            queue.put(7)
            queue.get()
        pairs += count
    took = time.perf_counter() - began
    return {"us": took / pairs * 1e6, "us to make one": making / count * 1e6}


def _case(count: int) -> Case:
    short = ("procession", "stdlib") if count in (1, 1_000) else ()
    return Case(
        f"{count:,} queues", "us/put+get", "unbounded_alive", short, parameters={"queues": count}
    )


QUESTION = Question(
    key="cost_alive",
    title="Cost by queues alive",
    cases=tuple(_case(count) for count in NUMBERS),
    measure=measure,
    curve=Curve("queues", "queues alive"),
)
