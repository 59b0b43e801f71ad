"""The machinery of the benchmarks: medians, ratios, verdicts, pages and pictures; no times."""

from __future__ import annotations

import pkgutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import plot, questions, report, runner, stream, tables
from bench.__main__ import all_questions
from bench.case import Case, Question, Target
from bench.contenders import CONTENDERS, Contender
from bench.results import CaseResult, Results, load, merge

MACHINE = {
    "cores": 2,
    "processor": "a processor",
    "memory_gib": 4,
    "system": "Linux",
    "python": "3",
}


def _case(**options) -> Case:
    return Case("a case", "us/message", "queue", ("procession", "stdlib"), **options)


def _result(**runs: list[float | None]) -> CaseResult:
    named = {
        name: [None if value is None else {"us": value, "p99 us": value * 10} for value in values]
        for name, values in runs.items()
    }
    return CaseResult("a_question", "a case", "us/message", runs=named)


def _results(date: str, *cases: CaseResult, machine: dict | None = None) -> Results:
    return Results(date, "make bench", "short", 3, "abc", machine or MACHINE, {}, [], list(cases))


def test_a_ratio_is_taken_round_by_round():
    """A slow hour that meets both contenders of a round does not change their ratio."""
    result = _result(procession=[1.0, 10.0, 2.0], stdlib=[30.0, 300.0, 60.0])
    assert [30.0, 30.0, 30.0] == result.ratios("procession", "stdlib")


def test_a_failed_run_takes_no_part():
    """Rounds in which one of the two failed have no ratio and no figure."""
    result = _result(procession=[1.0, None, 2.0], stdlib=[30.0, 300.0, None])
    assert [30.0] == result.ratios("procession", "stdlib")
    assert 1.5 == result.median("procession")


def test_more_may_be_better():
    """Where more is better the ratio is turned around."""
    result = _result(procession=[0.9], stdlib=[0.6])
    assert pytest.approx([1.5]) == result.ratios("procession", "stdlib", more_is_better=True)


@pytest.mark.parametrize(
    ("target", "reached", "is_met"),
    [
        (Target(30), 30.0, True),
        (Target(31), 30.0, False),
        (Target(30, metric="p99 us"), 30.0, True),
        (Target(0.5, against=None), 1.0, True),
        (Target(2, against="loky"), None, False),
    ],
)
def test_a_verdict_tells_what_was_reached(target, reached, is_met):
    """A target is met by the median ratio, or value; one without figures is not met."""
    result = _result(procession=[1.0], stdlib=[30.0])
    (verdict,) = result.verdicts(_case(targets=(target,)), "procession")
    assert (reached, is_met) == (verdict.reached, verdict.is_met)


def test_the_best_peer_is_neither_us_nor_the_standard():
    """The best peer is the best of the others."""
    result = _result(procession=[1.0], stdlib=[2.0], loky=[9.0], billiard=[7.0])
    assert "billiard" == result.best_peer(_case(), "procession", "stdlib")


def test_results_come_back_from_their_file(tmp_path: Path):
    """What was written is what is read."""
    results = _results("2026-01-01", _result(procession=[1.0], stdlib=[None]))
    results.write(tmp_path / "results.json")
    assert results == load(tmp_path / "results.json")


def test_a_foreign_file_is_refused(tmp_path: Path):
    """A file that holds something else is named, not half read."""
    (tmp_path / "other.json").write_text('{"cases": [], "colour": "red"}')
    with pytest.raises(ValueError, match=r"other\.json is not a file of results"):
        load(tmp_path / "other.json")


def test_a_later_measurement_replaces_an_earlier():
    """Files are joined by date, whatever order they are given in."""
    later = _results("2026-01-02", _result(procession=[2.0]))
    earlier = _results("2026-01-01", _result(procession=[1.0]))
    merged = merge([later, earlier])
    assert [2.0] == [case.median("procession") for case in merged.cases]


def test_results_of_two_machines_are_not_joined():
    """Figures of different machines do not stand in one table."""
    other = _results("2026-01-02", machine={**MACHINE, "cores": 64})
    with pytest.raises(ValueError, match="another machine"):
        merge([_results("2026-01-01"), other])


def test_every_question_is_in_the_report():
    """The order of the report names each module of questions."""
    modules = [module.name for module in pkgutil.iter_modules(questions.__path__)]
    assert sorted(questions.ORDER) == sorted(modules)


def test_every_question_says_what_and_why():
    """Cases have distinct names, and contenders that exist and offer what is needed."""
    for question in all_questions():
        names = [case.name for case in question.cases]
        assert len(set(names)) == len(names), question.key
        for case in question.cases:
            assert set(case.short) <= set(CONTENDERS), case.name
            for name in case.short:
                assert case.needs in CONTENDERS[name].offers, (question.key, case.name, name)


def test_who_is_not_installed_takes_no_part(monkeypatch):
    """A contender without its package is left out."""
    absent = Contender("absent", "Absent", "no_such_package", frozenset({"queue"}))
    monkeypatch.setitem(CONTENDERS, "absent", absent)
    assert "absent" not in [c.name for c in runner.taking_part(_case(), whole=True)]


def _failing_question(case: Case) -> Question:
    def measure(contender: Contender, case: Case, seconds: float) -> dict[str, float]:
        raise NotImplementedError(contender, case, seconds)

    return Question("no_such_question", "None", (case,), measure)


def test_a_run_that_fails_says_why():
    """The last line of a failing run's complaint is the reason that is reported."""
    case = _case()
    figures, complaint = runner.one_run(_failing_question(case), case, CONTENDERS["stdlib"], 0.1)
    assert figures is None
    assert "no_such_question" in complaint


def test_contenders_take_turns(monkeypatch):
    """Each round runs everybody once and begins with another contender."""
    order = []

    def run(question, case, contender, seconds):
        order.append(contender.name)
        return {"us": 1.0}, ""

    monkeypatch.setattr(runner, "one_run", run)
    case = _case()
    pair = [CONTENDERS["procession"], CONTENDERS["stdlib"]]
    runner.measure_case(_failing_question(case), case, pair, 2, 0.1, lambda _line: None)
    assert ["procession", "stdlib", "stdlib", "procession"] == order


def test_a_burst_fails_when_a_process_dies():
    """A consumer that dies ends the measurement with an error instead of a hang."""
    import multiprocessing

    context = multiprocessing.get_context("fork")
    producers = stream.Crew(context, lambda _count: None, 1)
    consumers = stream.Crew(context, lambda _count: 1 // 0, 1)
    with pytest.raises(EOFError):
        stream.cost_per_message(producers, consumers, 10, 0.1)
    producers.dismiss()
    consumers.processes[0].join()
    for pipe in (*producers.pipes, *consumers.pipes):
        pipe.close()


def test_the_page_is_replaced_between_its_markers():
    """Text around the markers stays; what stood between them goes."""
    page = "before\n<!-- bench:page -->\nold\n<!-- /bench:page -->\nafter"
    replaced = report.replace_between(page, "page", "new")
    assert "before\n<!-- bench:page -->\n\nnew\n\n<!-- /bench:page -->\nafter" == replaced
    with pytest.raises(ValueError, match="put the lines"):
        report.replace_between("no markers", "page", "new")


def test_tables_tell_what_was_missed_and_who_is_ahead():
    """A missed target and a faster rival are said, not left out."""
    case = _case(targets=(Target(30),), headline=True)
    question = _failing_question(case)
    measured = [(question, case, _result(procession=[2.0], stdlib=[20.0], loky=[1.0]))]
    assert "| 10 | 30 | **no** |" in tables.headline_table(measured)
    assert ["- None: a case: 10, target 30"] == tables.missed(measured)
    assert ["- None: a case: loky 1.00 us, procession 2.00 us"] == tables.behind(measured)


def test_pictures_are_well_formed():
    """Both kinds of pictures are SVG, with names escaped."""
    line = plot.curves("a <b>", "x", "y", {"one & two": [(1, 0.5), (1000, 20.0)]})
    bar = plot.bars("title", "x", [plot.Bar("<name>", 0.5, 30.0), plot.Bar("other", 40.0)])
    for picture in (line, bar):
        assert "{http://www.w3.org/2000/svg}svg" == ET.fromstring(picture).tag  # noqa: S314  # ours
