"""What does `connection.wait` over many connections cost?

So many Pipes, all in one process; each time one of them, in turn, has a message.  Only
the call of `wait` is timed, not the sending and receiving.  Everybody's own `wait` over everybody's
own connections.
"""

from __future__ import annotations

import importlib
import resource
import time

from bench.case import Case, Curve, Question, Target
from bench.contenders import Contender


def _allow_descriptors(count: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count), hard))


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return microseconds per call of wait."""
    connections = case.parameters["connections"]
    _allow_descriptors(connections * 8 + 100)
    contender.load()
    wait = importlib.import_module(f"{contender.module}.connection").wait
    pipes = [contender.load().Pipe(duplex=False) for _ in range(connections)]
    readers = [reader for reader, _ in pipes]
    spent = calls = 0
    deadline = time.perf_counter_ns() + int(seconds * 1e9)
    while time.perf_counter_ns() < deadline or calls < 10:
        reader, writer = pipes[calls % connections]
        writer.send(calls)
        began = time.perf_counter_ns()
        ready = wait(readers)
        spent += time.perf_counter_ns() - began
        assert ready == [reader]
        assert reader.recv() == calls
        calls += 1
    return {"us": spent / calls / 1e3, "calls": calls}


def _case(connections: int, targets: tuple[Target, ...], *, short: bool = True) -> Case:
    return Case(
        name=f"{connections:,} connections",
        unit="us/call",
        needs="wait",
        short=("procession", "stdlib", "billiard") if short else (),
        targets=targets,
        parameters={"connections": connections},
        headline=connections == 64,
    )


QUESTION = Question(
    key="wait_many",
    title="connection.wait",
    cases=(
        _case(1, (), short=False),
        _case(8, (), short=False),
        _case(64, (Target(4),)),
        _case(256, (), short=False),
        _case(1000, (Target(4),)),
    ),
    measure=measure,
    curve=Curve("connections", "connections waited for"),
)
