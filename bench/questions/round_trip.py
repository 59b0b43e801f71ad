"""How long until an answer comes back, and how bad is the bad case?

One process sends `[42, None, 'hello']` through a Queue (or Pipe) and waits for it to come back
from another process through a second Queue (or the same Pipe).  `two cores`: the two
processes are pinned to different cores; `free`: the kernel places them; `busy`: free, beside a
process that computes without pause.  Half of what is shown is one way.  The first trips
are not counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from bench import queues, tasks
from bench.case import Case, Question, Target
from bench.contenders import Contender

WARM_UP = 300
MOST_TRIPS = 30_000


def _ends(contender: Contender, context: Any, kind: str) -> tuple[Any, ...]:
    """(send, receive) of this side and of the other."""
    if kind == "pipe":
        ours, theirs = context.Pipe()
        return ours.send, ours.recv, theirs.send, theirs.recv
    there, back = queues.open_queue(contender), queues.open_queue(contender)
    return there.put, back.get, back.put, there.get


def _pin(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})


def _echo(get: Callable[[], Any], put: Callable[[Any], None], core: int | None) -> None:
    _pin(core)
    while (message := get()) is not None:
        put(message)


def _trips(put: Callable[[Any], None], get: Callable[[], Any], seconds: float) -> list[int]:
    """Durations of round trips, in nanoseconds."""
    clock = time.perf_counter_ns
    durations: list[int] = []
    deadline = clock() + int(seconds * 1e9)
    while len(durations) < WARM_UP * 2 or (clock() < deadline and len(durations) < MOST_TRIPS):
        began = clock()
        put([42, None, "hello"])
        get()
        durations.append(clock() - began)
    return sorted(durations[WARM_UP:])


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return median and 99th percentile of a round trip in microseconds."""
    context = queues.fork_context(contender)
    put, get, put_there, get_there = _ends(contender, context, case.parameters["kind"])
    cores: list[int | None] = [None, None]
    if case.parameters["place"] == "two cores":
        cores = list(sorted(os.sched_getaffinity(0))[:2])
    echo = context.Process(target=_echo, args=(get_there, put_there, cores[1]))
    echo.start()
    rival = context.Process(target=tasks.spin_for_ever, daemon=True)
    if case.parameters["place"] == "busy":
        rival.start()
    _pin(cores[0])
    durations = _trips(put, get, seconds)
    put(None)
    echo.join()
    if rival.pid is not None:
        rival.kill() if hasattr(rival, "kill") else rival.terminate()
        rival.join()
    return {
        "p50 us": durations[len(durations) // 2] / 1e3,
        "p99 us": durations[len(durations) * 99 // 100] / 1e3,
        "trips": len(durations),
    }


def _case(kind: str, place: str, targets: tuple[Target, ...], *, short: bool = True) -> Case:
    peers = ("stdlib_simple", "faster_fifo") if (kind, place) == ("queue", "free") else ()
    return Case(
        name=f"{kind.title()}, {place}",
        unit="us, median",
        needs=kind,
        short=("procession", "stdlib", *peers) if short else (),
        targets=targets,
        parameters={"kind": kind, "place": place},
        headline=place == "free",
    )


BOTH_40 = (Target(40), Target(40, metric="p99 us"))

QUESTION = Question(
    key="round_trip",
    title="Round trip of a small list",
    cases=(
        _case("queue", "two cores", BOTH_40),
        _case("pipe", "two cores", BOTH_40),
        _case("queue", "free", (Target(10),)),
        _case("pipe", "free", (Target(4),)),
        _case("queue", "busy", (Target(10),), short=False),
        _case("pipe", "busy", (Target(4),), short=False),
    ),
    measure=measure,
)
