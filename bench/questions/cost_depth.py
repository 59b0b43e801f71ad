"""Does a message cost more when many messages wait in the queue?

One process: the queue is filled to the depth, then one message is put and one taken, over
and over.  The figure is one put and one get.  The standard Queue's depth is mostly in its
feeder's buffer in the same process, which is part of its design.
"""

from __future__ import annotations

import time

from bench import queues
from bench.case import Case, Curve, Question
from bench.contenders import Contender

DEPTHS = (1, 100, 10_000, 100_000, 1_000_000, 10_000_000)


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return microseconds of a put and a get at this depth, and of a put while filling."""
    depth = case.parameters["depth"]
    ends = queues.open_queue(contender)
    began = time.perf_counter()
    for number in range(depth):
        ends.put(number)
    filling = time.perf_counter() - began
    pairs = 0
    deadline = time.perf_counter() + seconds
    began = time.perf_counter()
    while time.perf_counter() < deadline:
        for _ in range(100):
            ends.put(7)
            ends.get()
        pairs += 100
    took = time.perf_counter() - began
    figures = {"us": took / pairs * 1e6, "us per put, filling": filling / depth * 1e6}
    began = time.perf_counter()
    for _ in range(depth):
        ends.get()
    figures["us per get, draining"] = (time.perf_counter() - began) / depth * 1e6
    return figures


def _case(depth: int) -> Case:
    short = ("procession", "stdlib") if depth in (1, 1_000_000) else ()
    return Case(
        f"{depth:,} queued",
        "us/put+get",
        "unbounded_alive",
        short,
        parameters={"depth": depth},
        patience=400,
    )


QUESTION = Question(
    key="cost_depth",
    title="Cost by messages queued",
    cases=tuple(_case(depth) for depth in DEPTHS),
    measure=measure,
    curve=Curve("depth", "messages in the queue"),
)
