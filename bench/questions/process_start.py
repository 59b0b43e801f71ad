"""How long until a new process runs its first line, and until it is joined?

`Process(target=f); start(); join()`, one after another.  The child's first line reads the clock
that all processes share and leaves the time in a file, so that no contender's own pipes or
queues are part of it.  Two children are started before the count begins: a forkserver is
running and warm.  `plain`: the main module imports nothing; `usual imports`: it imports eight
modules of the standard library, as scripts do, and `NumPy`: it imports that, so children that
import the main module import them too; `1 GiB`: the parent holds 1 GiB of touched memory in
pages of 4 KiB.
"""

from __future__ import annotations

import mmap
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import tasks
from bench.case import Case, Question, Target
from bench.contenders import Contender

WARM_UP = 2

MAINS = {"NumPy imported": "with_numpy", "usual imports": "with_usual_imports"}
"""What the parent is -> its main module; `plain` otherwise."""


def _one_start(context: Any, path: Path) -> tuple[float, float]:
    """(milliseconds to the first line, milliseconds to the end of join)."""
    began = time.monotonic_ns()
    process = context.Process(target=tasks.first_line, args=(str(path),))
    process.start()
    process.join()
    ended = time.monotonic_ns()
    if process.exitcode != 0:
        raise RuntimeError(f"the child ended with exit code {process.exitcode}")
    return (int(path.read_text()) - began) / 1e6, (ended - began) / 1e6


def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
    """Return medians of the milliseconds to join and to the first line."""
    context = contender.load().get_context(case.parameters["method"])
    ballast = None
    if case.parameters["parent"] == "1 GiB":
        ballast = mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for page in range(0, len(ballast), mmap.PAGESIZE):
            ballast[page] = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "first_line"
        for _ in range(WARM_UP):
            _one_start(context, path)
        deadline = time.perf_counter() + seconds
        starts = [_one_start(context, path)]
        while time.perf_counter() < deadline or len(starts) < 3:
            starts.append(_one_start(context, path))
    del ballast
    first_lines, joins = zip(*starts, strict=True)
    return {
        "join ms": statistics.median(joins),
        "first line ms": statistics.median(first_lines),
        "slowest join ms": max(joins),
        "starts": len(starts),
    }


def _case(method: str, parent: str, at_least: float | None, *, short: bool = True) -> Case:
    return Case(
        name=f"{method}, {parent}",
        unit="ms, to join",
        needs=f"process.{method}",
        short=("procession", "stdlib") if short else (),
        targets=() if at_least is None else (Target(at_least),),
        parameters={"method": method, "parent": parent},
        main=MAINS.get(parent, "plain"),
        headline=parent == "plain",
    )


QUESTION = Question(
    key="process_start",
    title="Process: start, first line, join",
    cases=(
        _case("fork", "plain", 1),
        _case("forkserver", "plain", 5),
        _case("spawn", "plain", 1.2),
        _case("forkserver", "usual imports", None, short=False),
        _case("fork", "NumPy imported", 1, short=False),
        _case("forkserver", "NumPy imported", 15),
        _case("spawn", "NumPy imported", 1.2, short=False),
        _case("fork", "1 GiB", 1, short=False),
        _case("forkserver", "1 GiB", 4),
        _case("spawn", "1 GiB", 1.2, short=False),
    ),
    measure=measure,
)
