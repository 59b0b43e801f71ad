"""Results: what the runs of one command measured, as a data file that reports are made from.

A file holds every figure of every run, in the order of the rounds, so that whoever doubts a median
can see what it was taken from.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.case import Case, Target

__all__ = ["FOLDER", "CaseResult", "Results", "Verdict", "load", "merge"]

PORTABLE = "portable"
FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Verdict:
    """What became of a target."""

    target: Target
    reached: float | None
    """The median ratio (or value); None when one of the two was not measured."""
    spread: tuple[float, float] | None = None

    @property
    def is_met(self) -> bool:
        """Whether the median reaches the target."""
        return self.reached is not None and self.reached >= self.target.at_least


@dataclass
class CaseResult:
    """All runs of one case."""

    question: str
    case: str
    unit: str
    measured_at: str = ""
    runs: dict[str, list[dict[str, float] | None]] = field(default_factory=dict)
    """Contender -> its figures round by round; None where a run failed."""
    failures: dict[str, str] = field(default_factory=dict)
    """Contender -> the last line of what it said when it failed."""

    def figures(self, contender: str, metric: str | None = None) -> list[float]:
        """Return a metric (the main one by default) of all runs that did not fail."""
        return [
            next(iter(run.values())) if metric is None else run[metric]
            for run in self.runs.get(contender, [])
            if run is not None and (metric is None or metric in run)
        ]

    def median(self, contender: str, metric: str | None = None) -> float | None:
        """Return the median of a metric, None without a run."""
        found = self.figures(contender, metric)
        return statistics.median(found) if found else None

    def ratios(
        self, ours: str, theirs: str, metric: str | None = None, *, more_is_better: bool = False
    ) -> list[float]:
        """Return how many times better `ours` was, round by round."""
        found = []
        rounds = zip(self.runs.get(ours, []), self.runs.get(theirs, []), strict=False)
        for mine, other in rounds:
            if mine is None or other is None:
                continue
            key = next(iter(mine)) if metric is None else metric
            better, worse = (mine, other) if more_is_better else (other, mine)
            if worse[key]:
                found.append(better[key] / worse[key])
        return found

    def best_peer(self, case: Case, ours: str, standard: str) -> str | None:
        """Return the best contender beside us and the standard library, None without one."""
        found = {
            name: median
            for name in self.runs
            if name not in (ours, standard, PORTABLE) and (median := self.median(name)) is not None
        }
        if not found:
            return None
        return (max if case.more_is_better else min)(found, key=lambda name: found[name])

    def verdicts(self, case: Case, ours: str) -> list[Verdict]:
        """Return what became of the case's targets."""
        found = []
        for target in case.targets:
            if target.against is None:
                values = self.figures(ours, target.metric)
            else:
                values = self.ratios(
                    ours, target.against, target.metric, more_is_better=case.more_is_better
                )
            if values:
                found.append(Verdict(target, statistics.median(values), (min(values), max(values))))
            else:
                found.append(Verdict(target, None))
        return found


@dataclass
class Results:
    """One data file."""

    date: str
    command: str
    form: str
    rounds: int
    revision: str
    machine: dict[str, Any]
    versions: dict[str, str]
    missing: list[str] = field(default_factory=list)
    cases: list[CaseResult] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        unfinished.replace(path)

    def find(self, question: str, case: str) -> CaseResult | None:
        """Return the result of a case, None when it was not measured."""
        for result in self.cases:
            if (result.question, result.case) == (question, case):
                return result
        return None


def load(path: Path) -> Results:
    """Read a data file; ValueError when it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cases = [CaseResult(**case) for case in content.pop("cases")]
        return Results(**content, cases=cases)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path.name} is not a file of results: {error}") from error


def merge(files: list[Results]) -> Results:
    """Join results of one machine, oldest first: a later measurement of a case replaces an earlier.

    Raises ValueError without a file, and when the files come from different machines.
    """
    if not files:
        raise ValueError("there are no results: run `make bench` first")
    files = sorted(files, key=lambda file: file.date)
    newest = files[-1]
    for file in files:
        if file.machine != newest.machine:
            raise ValueError(
                f"results of {file.date} come from another machine than those of {newest.date};"
                " name the files that belong together"
            )
    latest = {(case.question, case.case): case for file in files for case in file.cases}
    versions = {name: version for file in files for name, version in file.versions.items()}
    return Results(
        date=newest.date,
        command="; ".join(dict.fromkeys(file.command for file in files)),
        form=newest.form,
        rounds=newest.rounds,
        revision=", ".join(dict.fromkeys(file.revision for file in files)),
        machine=newest.machine,
        versions=versions,
        missing=newest.missing,
        cases=list(latest.values()),
    )
