"""The report's tables, as Markdown."""

from __future__ import annotations

from bench.case import OURS, STANDARD, Case, Question
from bench.contenders import CONTENDERS
from bench.numbers import amount, measure, ratio
from bench.results import CaseResult, Results, Verdict

__all__ = [
    "behind",
    "case_table",
    "headline_table",
    "machine_lines",
    "missed",
    "place_line",
    "target_table",
]

Measured = list[tuple[Question, Case, CaseResult]]


def _cell(result: CaseResult, contender: str | None, unit: str) -> str:
    median = None if contender is None else result.median(contender)
    if median is None or contender is None:
        return "failed" if contender in result.failures else ""
    return measure(median, unit)


def _unit(case: Case) -> str:
    """The unit without what it is counted by."""
    return case.unit.partition("/")[0].partition(",")[0]


def _peer_cell(case: Case, result: CaseResult) -> str:
    peer = result.best_peer(case, OURS, STANDARD)
    if peer is None:
        return ""
    return f"{_cell(result, peer, _unit(case))} ({CONTENDERS[peer].title})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _reached(verdict: Verdict) -> str:
    if verdict.reached is None:
        return "not measured"
    return "yes" if verdict.is_met else "**no**"


def _target(verdict: Verdict) -> str:
    against = verdict.target.against
    words = f"{ratio(verdict.target.at_least)}"
    if against is None:
        return f"{words} (value)"
    if against != STANDARD:
        words += f" x {CONTENDERS[against].title}"
    return words


def headline_table(measured: Measured) -> str:
    """Return the README's table: the cases that stand for the others, one line each."""
    rows = []
    for question, case, result in measured:
        if not case.headline:
            continue
        verdict = result.verdicts(case, OURS)[0]
        rows.append(
            [
                f"{question.title}: {case.name}",
                _cell(result, STANDARD, _unit(case)),
                _peer_cell(case, result),
                _cell(result, OURS, _unit(case)),
                "" if verdict.reached is None else f"{ratio(verdict.reached)}",
                _target(verdict),
                _reached(verdict),
            ]
        )
    head = ["What", "multiprocessing", "best other", "procession", "times better", "target", "met"]
    return _table(head, rows)


def target_table(measured: Measured) -> str:
    """Return every target, what was reached, with its spread over the rounds."""
    rows = []
    for question, case, result in measured:
        for verdict in result.verdicts(case, OURS):
            metric = f" ({verdict.target.metric})" if verdict.target.metric else ""
            low, high = verdict.spread or (0.0, 0.0)
            rows.append(
                [
                    f"{question.title}: {case.name}{metric}",
                    _target(verdict),
                    "" if verdict.reached is None else ratio(verdict.reached),
                    "" if verdict.spread is None else f"{ratio(low)} - {ratio(high)}",
                    _reached(verdict),
                ]
            )
    return _table(["What", "target", "median", "range", "met"], rows)


def case_table(measured: Measured) -> str:
    """Return all contenders of the cases of one question."""
    rows = [
        _contender_row(case, result, contender)
        for _, case, result in measured
        for contender in result.runs
    ]
    return _table(["case", "contender", "median", "min - max", "x multiprocessing", "also"], rows)


def _contender_row(case: Case, result: CaseResult, contender: str) -> list[str]:
    figures = result.figures(contender)
    title = CONTENDERS[contender].title
    if contender == OURS:
        title = f"**{title}**"
    if not figures:
        return [case.name, title, "failed", "", "", result.failures.get(contender, "")]
    ratios = result.ratios(contender, STANDARD, more_is_better=case.more_is_better)
    middle = sorted(ratios)[len(ratios) // 2] if ratios else None
    run = next(run for run in result.runs[contender] if run is not None)
    also = []
    for metric in list(run)[1:]:
        median = result.median(contender, metric)
        also.append(f"{metric} {amount(median or 0.0)}")
    return [
        case.name,
        title,
        measure(result.median(contender) or 0.0, _unit(case)),
        f"{measure(min(figures), _unit(case))} - {measure(max(figures), _unit(case))}",
        "" if middle is None or contender == STANDARD else ratio(middle),
        ", ".join(also),
    ]


def missed(measured: Measured) -> list[str]:
    """Return the targets that were not met, a line each."""
    found = []
    for question, case, result in measured:
        for verdict in result.verdicts(case, OURS):
            if verdict.is_met:
                continue
            metric = f", {verdict.target.metric}" if verdict.target.metric else ""
            reached = "not measured" if verdict.reached is None else ratio(verdict.reached)
            found.append(
                f"- {question.title}: {case.name}{metric}: {reached}, target {_target(verdict)}"
            )
    return found


def behind(measured: Measured) -> list[str]:
    """Return the cases in which somebody else was better than procession, a line each."""
    found = []
    for question, case, result in measured:
        ours = result.median(OURS)
        if ours is None:
            continue
        for contender in result.runs:
            theirs = result.median(contender)
            if contender in (OURS, "portable") or theirs is None:
                continue
            if (theirs > ours) if case.more_is_better else (theirs < ours):
                found.append(
                    f"- {question.title}: {case.name}: {CONTENDERS[contender].title}"
                    f" {measure(theirs, _unit(case))}, procession {measure(ours, _unit(case))}"
                )
    return found


def place_line(results: Results) -> str:
    """Return where and when was measured, as a sentence."""
    machine = results.machine
    virtual = ", a virtual machine" if machine.get("virtual") else ""
    place = (
        f"{machine['cores']} cores of {machine['processor']}{virtual}, {machine['memory_gib']} GiB"
    )
    return f"{place}, {machine['system']}, {machine['python']}; {results.date[:10]}."


def machine_lines(results: Results) -> list[str]:
    """Return where, when and how was measured, and what."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(results.versions.items()))
    lines = [
        place_line(results),
        f"At {results.revision or 'no known commit'}, by `{results.command}`.",
        f"Versions: {versions}.",
    ]
    if results.missing:
        lines.append(f"Not installed, left out: {', '.join(results.missing)}.")
    return lines
