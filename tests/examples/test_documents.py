"""The programs of README.md and docs/migrating.md run as they stand.

Those for joblib are run by `make clients`.
"""

from __future__ import annotations

import pytest

from tests.conftest import RunScript
from tests.documents import programs_in

PROGRAMS = [
    program
    for document in ("README.md", "docs/migrating.md")
    for program in programs_in(document)
    if "joblib" not in program
]

PRINTED = [
    "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]\n",
    "42\n[1, 2]\n",
    "[1, 2]\n",
    """\
[0, 1, 2]
[0, 1, 2]
[10, 11, 12]
[1, ValueError("invalid literal for int() with base 10: 'x'")]
WorkerDied
""",
    "[(0, 0), (1, 1), (2, 4), (3, 9), (4, 16)]\n[0, 1, 4, 9, 16]\n",
]


@pytest.mark.parametrize(("program", "printed"), list(zip(PROGRAMS, PRINTED, strict=True)))
def test_a_program_of_the_documents_does_what_it_says(
    program: str, printed: str, run_script: RunScript
) -> None:
    """It prints what a reader expects, and nothing else."""
    outcome = run_script(program)

    assert (outcome.stdout, outcome.stderr) == (printed, "")
