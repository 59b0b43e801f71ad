"""Each example program runs under each start method and prints what it promises."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from procession._engine.cli.tour import PROGRAMS, STOPS

if TYPE_CHECKING:
    from tests.examples.conftest import RunPython

SQUARE = re.compile(r"pid (\d+) squares (\d)")


class OutputOf(Protocol):
    """The type of the ``output_of`` fixture."""

    def __call__(self, file: str, *arguments: object) -> str:
        """Run an example (by default with the start method as its argument)."""


@pytest.fixture
def output_of(run_python: RunPython, examples: Path, start_method: str) -> OutputOf:
    """Run an example under the start method; return its output once it has ended cleanly."""

    def run(file: str, *arguments: object) -> str:
        result = run_python(examples / file, *(arguments or [start_method]))

        assert result.stderr == ""
        return result.stdout

    return run


def test_pool_map_prints_who_squared_what_and_the_results_in_order(output_of: OutputOf) -> None:
    """Each number is squared once, by a process other than the parent, and the list is in order."""
    *lines, result = output_of("pool_map.py").splitlines()

    assert result == "[1, 4, 9]"
    assert sorted(SQUARE.fullmatch(line)[2] for line in lines) == ["1", "2", "3"]


def test_process_hello_runs_in_another_process(output_of: OutputOf) -> None:
    """The greeting names bob, and the pids of parent and child differ."""
    parent, child = output_of("process_hello.py").splitlines()

    assert child.startswith("hello bob, from the child, pid ")
    assert re.search(r"\d+", parent)[0] != re.search(r"\d+", child)[0]


def test_process_ids_shows_the_parent_of_the_child(output_of: OutputOf, start_method: str) -> None:
    """Both tell title, module, parent and pid; a child is the parent's own, or its server's."""
    text = output_of("process_ids.py")
    titles = re.findall(r"^in the (\w+)$", text, re.MULTILINE)
    modules = re.findall(r"module: (\w+)$", text, re.MULTILINE)
    (_, parent), (childs_parent, child) = re.findall(
        r"parent process: pid (\d+)\n  this process:   pid (\d+)", text
    )

    assert titles == ["parent", "child"]
    assert modules == ["__main__", "__main__" if start_method == "fork" else "__mp_main__"]
    assert text.endswith("hello bob\n")
    assert child not in (parent, childs_parent)
    # Under forkserver the child's parent is the server.
    assert (parent == childs_parent) == (start_method != "forkserver")


@pytest.mark.parametrize("file", ["queue_child.py", "pipe_child.py"])
def test_objects_arrive_from_the_child_equal(output_of: OutputOf, file: str) -> None:
    """The list with a number, None and a text comes back as it was."""
    assert output_of(file) == "[42, None, 'hello']\n"


def test_parse_stdlib_finds_files_and_long_functions(
    output_of: OutputOf, start_method: str
) -> None:
    """The counts are those of the first files, and five functions are listed, longest first."""
    first, *functions = output_of(
        "parse_stdlib.py", "--start-method", start_method, "--files", "60"
    ).splitlines()
    lengths = [int(line.split()[0]) for line in functions]

    assert re.fullmatch(r"60 files, \d{5} lines, \d{3,4} functions in [\d.]+ s", first)
    assert len(lengths) == 5
    assert lengths == sorted(lengths, reverse=True)


def test_queue_of_arrays_gives_writable_arrays_in_order(output_of: OutputOf) -> None:
    """Each picture arrives whole, in order, and could be changed in place."""
    expected = [f"(1000, 1000) float32, mean {number}.5" for number in range(5)]

    assert output_of("queue_of_arrays.py").splitlines() == expected


def test_producers_consumers_serve_every_order(output_of: OutputOf) -> None:
    """Every order of every producer is served, and nothing is left."""
    assert output_of("producers_consumers.py").splitlines()[1] == "300 orders served, 0 left"


def test_ping_pong_ends_with_the_last_word(output_of: OutputOf) -> None:
    """The ball is counted right, and the player gets the last word and exits with 0."""
    hits, end = output_of("pipe_ping_pong.py").splitlines()

    assert hits.startswith("the ball was hit 10001 times; ")
    assert end == "the player's exit code is 0"


def test_process_subclass_digests_in_the_child(output_of: OutputOf) -> None:
    """The digests are right, and the process ends by itself."""
    lines = output_of("process_subclass.py").splitlines()

    assert lines[0] == "Pool     f13024272c385f73"
    assert lines[3] == "Pipe     3725dbfedcd5114e"
    assert lines[4] == "digester-sha256 ended with exit code 0"


def test_pool_callbacks_get_results_and_errors(output_of: OutputOf) -> None:
    """Both callbacks are called for what is theirs, and get() raises the worker's exception."""
    *called, raised = output_of("pool_callbacks.py").splitlines()

    assert [line for line in called if "error" not in line] == ["callback: 4.0", "callback: 5.0"]
    assert Counter(line.split(":")[0] for line in called)["error callback"] == 1
    assert raised.startswith("get() raised ValueError: ")


def test_pool_progress_counts_to_the_end(output_of: OutputOf) -> None:
    """Progress is reported four times, and the answer is right."""
    expected = [" 500 of 2000", "1000 of 2000", "1500 of 2000", "2000 of 2000"]

    *progress, answer = output_of("pool_progress.py").splitlines()

    assert progress == expected
    assert answer.startswith("1680 has 40 divisors")


def test_asyncio_reads_the_queue_without_blocking_the_loop(output_of: OutputOf) -> None:
    """The values of each sensor come in order while the event loop goes on."""
    values, free = output_of("asyncio_queue.py").splitlines()

    assert values == "{'north': [0, 1, 2], 'south': [0, 1, 2]}"
    assert free == "meanwhile the event loop was free: True"


def test_every_example_is_tested(examples: Path) -> None:
    """No program stands in the folder that no test here runs."""
    source = Path(__file__).read_text(encoding="utf-8")

    assert [path.name for path in examples.glob("*.py") if f'"{path.name}"' not in source] == []


def test_every_example_is_listed(examples: Path) -> None:
    """The README of the folder names every program and notebook of it."""
    listed = (examples / "README.md").read_text(encoding="utf-8")
    present = [*examples.glob("*.py"), *examples.glob("*.ipynb")]

    assert [path.name for path in present if f"({path.name})" not in listed] == []


def test_the_demo_brings_the_same_programs(examples: Path) -> None:
    """The tour's programs, which ship inside the package, are the folder's, byte for byte."""
    packaged = {path.name: path.read_bytes() for path in PROGRAMS.glob("[a-z]*.py")}
    here = {name: (examples / name).read_bytes() for name in packaged}

    assert set(packaged) == {stop.file for stop in STOPS}
    assert here == packaged, f"copy the changed file: {examples}/<name> and {PROGRAMS}/<name>"
