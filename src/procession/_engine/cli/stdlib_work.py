"""The demo's second half: measure the whole standard library, check it, compare the times."""

from __future__ import annotations

import multiprocessing
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from procession._engine.cli.contest import Entry, run_contest, warm_up
from procession._engine.cli.progress_bar import ProgressBar
from procession._engine.cli.source_measure import (
    Summary,
    standard_library_files,
    standard_library_root,
    summarise,
)
from procession._engine.cli.table import Column, print_table
from procession._engine.context import _default_context as context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.context import BaseContext

    from procession._engine.cli.terminal import Terminal

WIDEST_BAR = 36
NARROWEST_BAR = 8
NOTABLE_LOAD = 0.5  # processes that wanted a CPU, over the last minute
WIDTH_BESIDE_RUNS = 38  # of the table of times: all columns but the runs and the bars
NAME_WIDTH = 16


@dataclass(frozen=True)
class WorkOptions:
    """How much work, by how many, started how, how often."""

    start_method: str
    processes: int
    limit_files: int | None
    rounds: int


def show_work(terminal: Terminal, options: WorkOptions) -> bool:
    """Run the work and print it; return whether all results were those of the plain loop.

    Raises:
        ValueError: for a start method that this system does not have.
        OSError: when a source file cannot be read.
    """
    terminal.heading(f"Real work: the standard library of Python {platform.python_version()}")
    load = _load_by_others()
    paths = standard_library_files()[: options.limit_files]
    contexts: dict[str, BaseContext] = {
        "multiprocessing": multiprocessing.get_context(options.start_method),
        "procession": context.get_context(options.start_method),
    }
    size = warm_up(paths, list(contexts.values()), options.processes)
    terminal.paragraph(
        f"{len(paths):,} source files, {size / 1e6:.1f} MB, parsed and measured "
        f"by {options.processes} processes ({options.start_method})"
    )
    terminal.line()

    def watch(name: str) -> ProgressBar:
        return ProgressBar(terminal, name.ljust(NAME_WIDTH), len(paths), "files")

    entries = run_contest(paths, contexts, options.processes, options.rounds, watch)
    terminal.line()
    _print_findings(terminal, summarise(entries[0].measures))
    _print_times(terminal, entries, options)
    if load >= NOTABLE_LOAD:
        note = f"The machine had a load of {load:.1f} before the start: trust the times less."
        terminal.paragraph(note, "yellow")
    return _print_verdict(terminal, entries)


def _load_by_others() -> float:
    """Return how many processes have lately wanted a CPU, on average; 0 where nobody knows."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _print_findings(terminal: Terminal, found: Summary) -> None:
    terminal.paragraph(
        f"{found.lines:,} lines, {found.functions:,} functions, {found.classes:,} classes"
        + (f"; {found.unparsed} files are no valid Python, on purpose" if found.unparsed else "")
    )
    terminal.line("The longest functions:")
    terminal.line()
    columns = [Column("lines", right=True), Column("function"), Column("where", shrink=True)]
    rows = [
        (f"{function.lines:,}", function.name, f"{_short(function.path)}:{function.first_line}")
        for function in found.longest
    ]
    print_table(terminal, columns, rows)
    terminal.line()


def _short(path: str) -> str:
    """Return a path below the library's folder (``json/decoder.py``)."""
    return str(Path(path).relative_to(standard_library_root()))


def _print_times(terminal: Terminal, entries: Sequence[Entry], options: WorkOptions) -> None:
    slowest = max(entry.median for entry in entries)
    loop = entries[0].median
    columns = [
        Column("contender"),
        Column("seconds", right=True),
        Column("speed", right=True),
        Column("range", right=True, optional=True),
        Column("time", optional=True),
    ]
    beside = WIDTH_BESIDE_RUNS + max(len(_runs(entry)) for entry in entries)
    room = max(NARROWEST_BAR, min(WIDEST_BAR, terminal.width - beside))
    rows = [
        (
            entry.name,
            f"{entry.median:.2f}",
            f"{loop / entry.median:.2f} x",
            _runs(entry),
            terminal.glyphs.full * max(1, round(room * entry.median / slowest)),
        )
        for entry in entries
    ]
    styles: list[tuple[str, ...]] = [() for _ in entries]
    styles[-1] = ("bold",)
    print_table(terminal, columns, rows, styles)
    terminal.line()
    terminal.paragraph(_how_timed(options), "dim")
    if _overlap(entries[1:]):
        names = " and ".join(entry.name for entry in entries[1:])
        note = f"The runs of {names} overlap: no difference between them is shown here."
        terminal.paragraph(note, "dim")


def _runs(entry: Entry) -> str:
    """Return the range of the runs' times, so that a reader sees how far to trust the median."""
    if len(entry.seconds) == 1:
        return "one run"
    return f"{min(entry.seconds):.2f} to {max(entry.seconds):.2f}"


def _how_timed(options: WorkOptions) -> str:
    if options.rounds == 1:
        return "One run each, starting and ending the workers included."
    return (
        f"Medians of {options.rounds} runs in turned order (the loop: one run), "
        "workers' start and end included."
    )


def _overlap(entries: Sequence[Entry]) -> bool:
    """Tell whether the slowest run of the fastest contender is slower than a rival's best."""
    first, *others = sorted(entries, key=lambda entry: entry.median)
    return any(max(first.seconds) >= min(other.seconds) for other in others)


def _print_verdict(terminal: Terminal, entries: Sequence[Entry]) -> bool:
    right = True
    for entry in entries[1:]:
        if entry.differing:
            right = False
            terminal.verdict(
                False, f"{entry.name}: {entry.differing:,} results differ from the plain loop's"
            )
    if right:
        names = " and ".join(entry.name for entry in entries[1:])
        files = len(entries[0].measures)
        terminal.verdict(True, f"All {files:,} results of {names} equal the loop's.")
    return right
