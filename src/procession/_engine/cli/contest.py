"""The same work done by a plain loop, by multiprocessing and by procession, timed.

What makes the comparison fair:

- the parallel contenders run the very same lines; only the context differs that
  their Pool comes from; both have the same start method and number of workers;
- every file is read once before the first clock starts, so that nobody pays for
  a cold disk; every library has started a pool and ended it before (its modules
  are imported, its fork server runs);
- a contender's time runs from before its Pool is made until all its workers are
  gone;
- each round turns the order of the parallel contenders round, so that neither
  always has the machine as the other left it; the median of its rounds counts.
  With two rounds that is one run in each place.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from procession._engine.cli.progress_bar import ProgressBar
from procession._engine.cli.source_measure import (
    SourceMeasure,
    leave_interrupts_to_the_parent,
    measure_source,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

# Makes what shows the progress of the contender of this name.
Watch = Callable[[str], ProgressBar]


@dataclass
class Entry:
    """A contender's runs: how long each took, and what it found (sorted by path)."""

    name: str
    seconds: list[float] = field(default_factory=list)
    measures: list[SourceMeasure] = field(default_factory=list)
    differing: int = 0  # results, over all runs, that were not the loop's

    @property
    def median(self) -> float:
        """The median of the runs, in seconds."""
        return statistics.median(self.seconds)


def warm_up(paths: Sequence[str], contexts: Sequence[BaseContext], processes: int) -> int:
    """Read every file, and use a pool of every library once; return the bytes that were read."""
    for context in contexts:
        with context.Pool(processes, leave_interrupts_to_the_parent) as pool:
            pool.map(measure_source, paths[:processes])
            pool.close()
            pool.join()
    return sum(len(Path(path).read_bytes()) for path in paths)


def run_contest(
    paths: Sequence[str],
    contexts: dict[str, BaseContext],
    processes: int,
    rounds: int,
    watch: Watch,
) -> list[Entry]:
    """Let everybody measure the files.

    Args:
        paths: the source files.
        contexts: where each parallel contender, by name, takes its Pool from.
        processes: workers of each Pool.
        rounds: runs of each parallel contender; the loop runs once.
        watch: shows the progress.

    Returns:
        The loop's entry first, then those of the contenders as in ``contexts``.
    """
    loop = Entry("a plain loop")
    _run(loop, partial(_by_loop, paths), watch)
    entries = {name: Entry(name) for name in contexts}
    order = list(contexts)
    for _ in range(rounds):
        for name in order:
            entry = entries[name]
            _run(entry, partial(_by_pool, contexts[name], processes, paths), watch)
            entry.differing += _count_differing(loop.measures, entry.measures)
        order.reverse()
    return [loop, *entries.values()]


def _by_loop(paths: Sequence[str], bar: ProgressBar) -> list[SourceMeasure]:
    measures = []
    for path in paths:
        measures.append(measure_source(path))
        bar.step()
    return measures


def _by_pool(
    context: BaseContext, processes: int, paths: Sequence[str], bar: ProgressBar
) -> list[SourceMeasure]:
    measures = []
    with context.Pool(processes, leave_interrupts_to_the_parent) as pool:
        for measure in pool.imap_unordered(measure_source, paths):
            measures.append(measure)
            bar.step()
        pool.close()
        pool.join()
    return measures


def _run(
    entry: Entry,
    work: Callable[[ProgressBar], list[SourceMeasure]],
    watch: Watch,
) -> None:
    with watch(entry.name) as bar:
        started = time.perf_counter()
        measures = work(bar)
        entry.seconds.append(time.perf_counter() - started)
    entry.measures = sorted(measures)


def _count_differing(expected: list[SourceMeasure], actual: list[SourceMeasure]) -> int:
    different = sum(mine != yours for mine, yours in zip(expected, actual, strict=False))
    return different + abs(len(expected) - len(actual))
