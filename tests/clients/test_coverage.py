"""coverage measures what runs in children: of an unmodified program, and of one that imports us."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import procession
from tests.programs import run_program

pytest.importorskip("coverage", reason="needs coverage, not installed here")

PROGRAM = """\
import sys
import {package} as multiprocessing


def in_pool(number):
    result = number + 1
    return result


def in_process(queue):
    result = 5
    queue.put(result)


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    with multiprocessing.Pool(2) as pool:
        assert pool.map(in_pool, range(4)) == [1, 2, 3, 4]
        pool.close()
        pool.join()
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=in_process, args=(queue,))
    process.start()
    assert queue.get(timeout=60) == 5
    process.join()
"""

COMMANDS = {
    "import": ("procession", ["-m", "coverage", "run"]),
    "run in coverage": ("multiprocessing", ["-m", "coverage", "run", "-m", "procession", "run"]),
    "coverage in run": ("multiprocessing", ["-m", "procession", "run", "-m", "coverage", "run"]),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("method", procession.get_all_start_methods())
def test_lines_that_ran_in_children_are_covered(method: str, command: str, tmp_path: Path) -> None:
    """In workers of a pool and in a process, under every start method."""
    package, run = COMMANDS[command]
    (tmp_path / "program.py").write_text(PROGRAM.format(package=package))
    (tmp_path / ".coveragerc").write_text(
        f"[run]\nconcurrency = multiprocessing\nparallel = true\nsource = {tmp_path}\n"
    )

    run_program([*run, "program.py", method], cwd=tmp_path)
    run_program(["-m", "coverage", "combine"], cwd=tmp_path)
    run_program(["-m", "coverage", "json", "-o", "report.json"], cwd=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())

    assert [] == report["files"]["program.py"]["missing_lines"]
