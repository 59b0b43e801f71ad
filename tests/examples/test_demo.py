"""The demo shows the tour and the real work, in colour on a terminal and plainly in a pipe."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from procession._engine import config
from procession._engine.cli.tour import PROGRAMS, STOPS
from tests.examples.terminals import ESCAPE, run_on_terminal, shown_lines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.examples.conftest import RunPython

DEMO = ("-m", "procession", "demo")
LITTLE_WORK = ("--only", "work", "--limit-files", "40", "--processes", "2")


def test_tour_shows_each_program_as_it_is_and_what_it_prints(
    run_python: RunPython, start_method: str
) -> None:
    """In a pipe the code of every program stands there unchanged, followed by its output."""
    outcome = run_python(*DEMO, "--only", "tour", "--start-method", start_method)

    assert outcome.stderr == ""
    for stop in STOPS:
        assert (PROGRAMS / stop.file).read_text() in outcome.stdout
        assert f"$ python {stop.file} {start_method}\n│ " in outcome.stdout
    assert "\n│ [1, 4, 9]\n" in outcome.stdout
    assert len(re.findall(r"^│ pid \d+ squares [123]$", outcome.stdout, re.MULTILINE)) == 3
    assert "\n│ hello bob, from the child, pid " in outcome.stdout
    assert outcome.stdout.count("\n│ [42, None, 'hello']\n") == 2


def test_work_is_done_by_all_and_checked(run_python: RunPython, start_method: str) -> None:
    """The loop, multiprocessing and procession are timed, and their results found to be equal."""
    outcome = run_python(*DEMO, *LITTLE_WORK, "--start-method", start_method)

    assert outcome.stderr == ""
    assert "40 source files, " in outcome.stdout
    assert f"by 2 processes ({start_method})" in outcome.stdout
    for name, runs in (("a plain loop", 1), ("multiprocessing", 2), ("procession", 2)):
        progress = rf"^{name} +40/40 files +[\d.]+ s$"
        assert len(re.findall(progress, outcome.stdout, re.MULTILINE)) == runs
        assert re.search(rf"^{name} +[\d.]+ +[\d.]+ x ", outcome.stdout, re.MULTILINE)
    assert "All 40 results of multiprocessing and procession equal the loop's." in outcome.stdout


def test_whole_demo_does_both(run_python: RunPython) -> None:
    """Without --only the tour comes first and the real work after it; one run each can be had."""
    outcome = run_python(*DEMO, "--limit-files", "10", "--processes", "2", "--rounds", "1")

    tour, work = outcome.stdout.split("Real work: the standard library of Python ")
    assert "[42, None, 'hello']" in tour
    assert "10/10 files" in work
    assert "One run each" in work


def test_nothing_but_text_goes_into_a_pipe(run_python: RunPython) -> None:
    """No escape sequence and no carriage return reaches a pipe."""
    outcome = run_python(*DEMO, "--only", "tour")
    outcome_of_work = run_python(*DEMO, *LITTLE_WORK)

    for text in (outcome.stdout, outcome_of_work.stdout):
        assert "\x1b" not in text
        assert "\r" not in text


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_terminal_gets_colours_and_no_line_is_too_wide(
    surroundings: dict[str, str], columns: int
) -> None:
    """Work and bars are coloured, and fit the width of the terminal."""
    code, text = run_on_terminal([*DEMO, *LITTLE_WORK], surroundings, columns)

    assert code == 0
    assert ESCAPE.search(text)
    assert any(re.search(r"━+ 40/40 files", line) for line in shown_lines(text))
    assert [line for line in shown_lines(text) if len(line) > columns] == []


def test_code_is_coloured_on_a_terminal(surroundings: dict[str, str]) -> None:
    """Keywords have a colour there, and without the colours the code is the file's."""
    code, text = run_on_terminal([*DEMO, "--only", "tour"], surroundings, 80)

    assert code == 0
    assert [line for line in shown_lines(text) if len(line) > 80] == []
    assert "\x1b[35mimport\x1b[0m os" in text
    plain = "\n".join(shown_lines(text))
    assert all((PROGRAMS / stop.file).read_text() in plain for stop in STOPS)


@pytest.mark.parametrize(
    ("option", "variables"),
    [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})],
    ids=["--no-color", "NO_COLOR", "TERM=dumb"],
)
def test_colours_can_be_refused(
    surroundings: dict[str, str], option: list[str], variables: dict[str, str]
) -> None:
    """By option, by the NO_COLOR convention, or by a terminal that has none."""
    environment = {**surroundings, **variables}

    code, text = run_on_terminal([*DEMO, *LITTLE_WORK, *option], environment)

    assert code == 0
    assert not re.search(r"\x1b\[[0-9;]*m", text)


def test_an_encoding_without_line_characters_is_enough(run_python: RunPython) -> None:
    """Where the output is ASCII, frames and bars are drawn with ASCII."""
    outcome = run_python(*DEMO, *LITTLE_WORK, env={"PYTHONIOENCODING": "ascii"})

    assert outcome.stdout.isascii()
    assert "ok All 40 results" in outcome.stdout


def test_a_failing_program_of_the_tour_is_told_by_the_exit_code(run_python: RunPython) -> None:
    """A program that ends with an error is named, and the demo's exit code is 1."""
    snippet = (
        "import pathlib, sys\n"
        "from procession._engine.cli import main, tour\n"
        "pathlib.Path('broken.py').write_text('raise SystemExit(3)')\n"
        "tour.PROGRAMS = pathlib.Path.cwd()\n"
        "tour.STOPS = (tour.Stop('broken.py', 'Broken'),)\n"
        "sys.exit(main.main(['demo', '--only', 'tour']))\n"
    )

    outcome = run_python("-c", snippet, check=False)

    assert outcome.returncode == 1
    assert "broken.py ended with exit code 3" in outcome.stdout


def test_a_wrong_result_is_told_by_the_exit_code(run_python: RunPython) -> None:
    """When a pool's results are not those of the loop, the demo says whose, and exits with 1."""
    snippet = (
        "import sys\n"
        "from multiprocessing import pool\n"
        "from procession._engine.cli import main, stdlib_work\n"
        "from procession._engine.cli.source_measure import measure_source\n"
        "class Wrong:\n"
        "    def Pool(self, processes, initializer):\n"
        "        made = pool.ThreadPool(processes)\n"
        "        made.imap_unordered = lambda f, xs: map(f, list(xs)[1:] * 2)\n"
        "        return made\n"
        "class Contexts:\n"
        "    def get_context(self, method):\n"
        "        return Wrong()\n"
        "stdlib_work.context = Contexts()\n"
        "sys.exit(main.main(['demo', '--only', 'work', '--limit-files', '9', '--rounds', '1']))\n"
    )

    outcome = run_python("-c", snippet, check=False)

    assert outcome.returncode == 1
    assert re.search(r"procession: \d+ results differ from the plain loop's", outcome.stdout)
    assert "multiprocessing: " not in outcome.stdout


def test_a_reader_that_goes_away_ends_the_demo_quietly(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    """``procession demo | head -1`` prints no traceback."""
    program = subprocess.Popen(
        [sys.executable, *DEMO, "--only", "tour"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, **surroundings},
        text=True,
    )
    with program:
        first = program.stdout.readline()
        program.stdout.close()
        complaints = program.stderr.read()

    assert "A Pool maps a function" in first
    assert complaints == ""
    assert program.returncode == 141


def test_ctrl_c_ends_the_tour_with_one_line(surroundings: dict[str, str], tmp_path: Path) -> None:
    """An interrupt while a program of the tour runs ends both, without a traceback."""
    program = subprocess.Popen(
        [sys.executable, *DEMO, "--only", "tour"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, **surroundings},
        text=True,
    )
    with program:
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        program.stdout.read()
        complaints = program.stderr.read()

    assert complaints == "procession: interrupted\n"
    assert program.returncode == 130


@pytest.mark.parametrize("contender", ["a plain loop", "multiprocessing", "procession"])
def test_ctrl_c_ends_the_work_and_its_workers(surroundings: dict[str, str], contender: str) -> None:
    """An interrupt while a contender works leaves one line on the terminal, and no process."""
    work = [*DEMO, "--only", "work", "--limit-files", "400", "--processes", "2"]
    in_the_middle = rf"{contender} [^\r]*[ \D][1-9]\d*/400 files"

    code, text = run_on_terminal(work, surroundings, interrupt_at=in_the_middle)

    assert code == 130
    assert "Traceback" not in text
    assert shown_lines(text)[-2:] == ["procession: interrupted", ""]


def test_version_and_help(run_python: RunPython) -> None:
    """--version names the program; --help lists the commands and what the environment can say."""
    version = run_python("-m", "procession", "--version").stdout
    help_text = run_python("-m", "procession", "--help").stdout

    assert version.startswith("procession ")
    assert re.search(r"^ +demo +the tour of the four objects", help_text, re.MULTILINE)
    assert config.TRANSPORT in help_text
    assert config.DEBUG in help_text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["dance"], "invalid choice: 'dance'"),
        ([], "COMMAND"),
        (["demo", "--processes", "0"], "'0' is not a whole number above 0"),
        (["demo", "--only", "nap"], "invalid choice: 'nap'"),
        (["demo", "--start-method", "teleport"], "invalid choice: 'teleport'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    run_python: RunPython, arguments: list[str], complaint: str
) -> None:
    """A wrong command or value ends with exit code 2 and says what was wrong."""
    outcome = run_python("-m", "procession", *arguments, check=False)

    assert outcome.returncode == 2
    assert complaint in outcome.stderr
    assert outcome.stdout == ""
