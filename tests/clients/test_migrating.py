"""The programs of docs/migrating.md that need joblib run as they stand."""

from __future__ import annotations

import pytest

from tests.conftest import RunScript
from tests.documents import programs_in

pytest.importorskip("joblib", reason="needs joblib, not installed here")

PROGRAMS = [program for program in programs_in("docs/migrating.md") if "joblib" in program]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_the_page_does_what_it_says(program: str, run_script: RunScript) -> None:
    """It prints what a reader expects, and nothing else."""
    outcome = run_script(program)

    assert (outcome.stdout, outcome.stderr) == ("[0, 1, 4, 9, 16]\n[2, 1]\n", "")
