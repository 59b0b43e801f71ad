"""Show what procession is: small programs with their output, then real work with its times.

The tour runs five of the examples, each shown with its code.  The work parses
every source file of this Python's standard library with a plain loop, with
multiprocessing and with procession, checks that all find the same, and compares
the times.  The exit code is 1 when a program fails or a result differs.
"""

from __future__ import annotations

import argparse
import os

from procession._engine.cli.stdlib_work import WorkOptions, show_work
from procession._engine.cli.terminal import Terminal
from procession._engine.cli.tour import show_tour
from procession._engine.context import _default_context as context

NAME = "demo"
SUMMARY = "the tour of the four objects, then real work with its times"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``demo``."""
    parser.add_argument("--only", choices=("tour", "work"), help="one half of the demo")
    parser.add_argument("--no-color", action="store_true", help="no colours on a terminal either")
    parser.add_argument(
        "--start-method",
        choices=context.get_all_start_methods(),
        help="how processes are started (default: this system's default)",
    )
    parser.add_argument(
        "--processes",
        type=_positive,
        metavar="N",
        help="workers that do the real work (default: the CPUs this process may use)",
    )
    parser.add_argument(
        "--limit-files",
        type=_positive,
        metavar="N",
        help="measure only the first N source files",
    )
    parser.add_argument(
        "--rounds",
        type=_positive,
        default=2,
        metavar="N",
        help="runs of each parallel contender (default: 2)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; return 0, or 1 when a program failed or a result differed."""
    terminal = Terminal.of(colour=False if arguments.no_color else None)
    ended_well = True
    if arguments.only != "work":
        ended_well = show_tour(terminal, arguments.start_method)
    if arguments.only != "tour":
        options = WorkOptions(
            start_method=arguments.start_method or str(context.get_start_method()),
            processes=arguments.processes or _usable_cpus(),
            limit_files=arguments.limit_files,
            rounds=arguments.rounds,
        )
        ended_well = show_work(terminal, options) and ended_well
    return 0 if ended_well else 1


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def _usable_cpus() -> int:
    """Return the CPUs that this process may run on, which may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
