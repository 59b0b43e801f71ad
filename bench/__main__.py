"""Measure: `python -m bench` for the short form, `--all` for everything.

Prints a table as it goes and leaves the figures in `bench/results`; `python -m bench.report` makes
the README's table and the pages and pictures of the documentation from these files.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import machine, questions, runner
from bench.case import OURS, STANDARD, Case, Question
from bench.contenders import CONTENDERS, Contender
from bench.numbers import amount, ratio
from bench.results import FOLDER, CaseResult, Results

SHORT = (3, 0.25)
LONG = (5, 1.5)
"""(rounds, seconds that a measurement may take)."""

SHORT_TIME = 240.0
"""Seconds that the short form should take; where it is late (others use the machine) a case gets
a round less."""


def all_questions() -> list[Question]:
    """Return the questions of `bench/questions`, in their order."""
    return [
        importlib.import_module(f"bench.questions.{module}").QUESTION for module in questions.ORDER
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; return the exit code."""
    options = _parse(arguments)
    rounds, seconds = LONG if options.all else SHORT
    rounds, seconds = options.rounds or rounds, options.seconds or seconds
    results = _empty_results("all" if options.all else "short", rounds, _command(options))
    for name in results.missing:
        print(f"not installed, left out: {name}")
    path = options.output or FOLDER / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{results.form}.json"
    began = time.monotonic()
    work = _work(options)
    for number, (question, case, contenders) in enumerate(work):
        print(f"{question.title}: {case.name}", flush=True)
        is_late = time.monotonic() - began > SHORT_TIME * number / len(work)
        turns = max(1, rounds - 1) if is_late and not options.all else rounds
        result = runner.measure_case(question, case, contenders, turns, seconds, print)
        results.cases.append(result)
        _show(case, result)
        results.write(path)
    print(f"{time.monotonic() - began:.0f} s; figures in {_shown(path)}")
    return 0


def _work(options: argparse.Namespace) -> list[tuple[Question, Case, list[Contender]]]:
    """What there is to do: each case that somebody takes part in."""
    found = []
    for question in all_questions():
        for case in _chosen(question, options):
            among = tuple(options.contender)
            contenders = runner.taking_part(case, whole=options.all, among=among)
            if contenders:
                found.append((question, case, contenders))
    return found


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--all", action="store_true", help="everything, with every contender")
    parser.add_argument("--question", action="append", default=[], help="only this (repeatable)")
    parser.add_argument("--case", action="append", default=[], help="only cases of this name")
    parser.add_argument("--contender", action="append", default=[], help="only this one")
    parser.add_argument("--rounds", type=int, help="how often each contender runs")
    parser.add_argument("--seconds", type=float, help="how long a measurement may take")
    parser.add_argument("--output", type=Path, help="the data file to write")
    return parser.parse_args(arguments)


def _command(options: argparse.Namespace) -> str:
    """What to type to measure the same again."""
    words = ["python", "-m", "bench"]
    for name, value in vars(options).items():
        if name == "output" or not value:
            continue
        for each in value if isinstance(value, list) else [value]:
            words += [f"--{name}"] if value is True else [f"--{name}", str(each)]
    return shlex.join(words)


def _chosen(question: Question, options: argparse.Namespace) -> list[Case]:
    if options.question and question.key not in options.question:
        return []
    return [
        case
        for case in question.cases
        if (options.all or case.short) and (not options.case or case.name in options.case)
    ]


def _empty_results(form: str, rounds: int, command: str) -> Results:
    present = [contender for contender in CONTENDERS.values() if contender.is_installed]
    return Results(
        date=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        command=command,
        form=form,
        rounds=rounds,
        revision=_revision(),
        machine=machine.describe(),
        versions={
            contender.title: contender.version for contender in present if contender.distribution
        },
        missing=[c.title for c in CONTENDERS.values() if not c.is_installed],
    )


def _revision() -> str:
    """The commit that is checked out, or nothing outside a repository."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607  # whichever git the caller has
            cwd=runner.ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()


def _show(case: Case, result: CaseResult) -> None:
    for name in result.runs:
        median = result.median(name)
        if median is None:
            continue
        line = f"    {CONTENDERS[name].title:<32} {amount(median):>10} {case.unit}"
        found = result.ratios(name, STANDARD, more_is_better=case.more_is_better)
        if found and name != STANDARD:
            line += f"   x {ratio(statistics.median(found))} against the standard"
        print(line)
    for verdict in result.verdicts(case, OURS):
        against = CONTENDERS[verdict.target.against].title if verdict.target.against else "itself"
        metric = f" ({verdict.target.metric})" if verdict.target.metric else ""
        print(
            f"    target {ratio(verdict.target.at_least)} against {against}{metric}:"
            f" {'not measured' if verdict.reached is None else ratio(verdict.reached)}"
            f" {'yes' if verdict.is_met else 'NO'}",
            flush=True,
        )


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(runner.ROOT))
    except ValueError:
        return str(path)


if __name__ == "__main__":
    sys.exit(main())
