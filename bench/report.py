"""Make the README's table and the page and pictures of the benchmarks from files of results.

    python -m bench.report [FILE ...]

Without files: all in `bench/results`, a later measurement of a case replacing an earlier.
What lies between the markers is replaced; no figure is ever typed.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from bench import plot, tables
from bench.__main__ import all_questions
from bench.case import OURS, Case, Question
from bench.contenders import CONTENDERS
from bench.results import FOLDER, CaseResult, Results, load, merge

__all__ = ["main", "replace_between"]

ROOT = Path(__file__).parent.parent
PICTURES = Path("docs/images")


def main(arguments: list[str] | None = None) -> int:
    """Write the pages; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="files of results")
    options = parser.parse_args(arguments)
    try:
        results = merge([load(path) for path in options.files or sorted(FOLDER.glob("*.json"))])
        _write_all(results)
    except (OSError, ValueError) as error:
        print(f"no report: {error}", file=sys.stderr)
        return 1
    return 0


def _write_all(results: Results) -> None:
    questions = all_questions()
    measured = _measured(results, questions)
    pictures = _pictures(measured, questions)
    for path, content in pictures.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(content, encoding="utf-8")
        print(path)
    readme = "\n\n".join([tables.headline_table(measured), tables.place_line(results)])
    page = _page(results, measured, questions, set(pictures))
    for place, name, content in (
        ("readme", "README.md", readme),
        ("page", "docs/benchmarks.md", page),
    ):
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        try:
            path.write_text(replace_between(text, place, content), encoding="utf-8")
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        print(name)


def replace_between(text: str, place: str, content: str) -> str:
    """Return `text` with `content` between the markers of `place`.

    Raises ValueError where a marker is missing.
    """
    begin, end = f"<!-- bench:{place} -->", f"<!-- /bench:{place} -->"
    before, found, rest = text.partition(begin)
    _, found_too, after = rest.partition(end)
    if not found or not found_too:
        raise ValueError(f"put the lines {begin} and {end} where the figures are to stand")
    return f"{before}{begin}\n\n{content.strip()}\n\n{end}{after}"


def _measured(results: Results, questions: list[Question]) -> tables.Measured:
    found: list[tuple[Question, Case, CaseResult]] = []
    for question in questions:
        for case in question.cases:
            result = results.find(question.key, case.name)
            if result is not None:
                found.append((question, case, result))
    return found


def _page(
    results: Results, measured: tables.Measured, questions: list[Question], pictures: set[Path]
) -> str:
    parts = [*tables.machine_lines(results), "## Targets", tables.target_table(measured)]
    parts.append("![How many times better](images/ratios.svg)")
    parts += ["## Targets that were missed", "\n".join(tables.missed(measured)) or "None."]
    parts += ["## Where others are ahead", "\n".join(tables.behind(measured)) or "Nowhere."]
    for question in questions:
        rows = [row for row in measured if row[0] is question]
        if not rows:
            continue
        module = importlib.import_module(f"bench.questions.{question.key}")
        parts += [f"## {question.title}", (module.__doc__ or "").strip()]
        parts.append(tables.case_table(rows))
        parts += [
            f"![{picture.stem}](images/{picture.name})"
            for picture in sorted(pictures)
            if picture.stem.startswith(question.key)
        ]
    return "\n\n".join(parts)


def _pictures(measured: tables.Measured, questions: list[Question]) -> dict[Path, str]:
    rows = []
    for question, case, result in measured:
        for verdict in result.verdicts(case, OURS)[:1]:
            if verdict.reached is not None and verdict.target.against is not None:
                name = f"{question.title.partition(':')[0]}: {case.name}"
                rows.append(plot.Bar(name, verdict.reached, verdict.target.at_least))
    title = "How many times better than multiprocessing (line: the target)"
    found = {PICTURES / "ratios.svg": plot.bars(title, "times better", rows)} if rows else {}
    for question in questions:
        if question.curve is not None:
            found.update(_curves(question, [row for row in measured if row[0] is question]))
    return found


def _curves(question: Question, measured: tables.Measured) -> dict[Path, str]:
    """One picture for each value of the curve's series, where there are two points at least."""
    curve = question.curve
    assert curve is not None
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    unit = ""
    for _, case, result in measured:
        group = str(case.parameters[curve.series]) if curve.series else ""
        unit = case.unit
        for contender in result.runs:
            median = result.median(contender)
            if median:
                point = (float(case.parameters[curve.parameter]), median)
                lines = groups.setdefault(group, {})
                lines.setdefault(CONTENDERS[contender].title, []).append(point)
    found = {}
    for group, lines in groups.items():
        drawn = {name: sorted(points) for name, points in lines.items() if len(points) > 1}
        if drawn:
            stem = "_".join([question.key, *group.split()])
            title = f"{question.title}: {group}" if group else question.title
            x_title = group if group else curve.x_title
            found[PICTURES / f"{stem}.svg"] = plot.curves(title, x_title, unit, drawn)
    return found


if __name__ == "__main__":
    sys.exit(main())
