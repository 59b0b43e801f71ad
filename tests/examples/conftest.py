"""How the tests here run programs: as a reader would, in an interpreter of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

import procession
from tests.programs import Outcome, run_program

if TYPE_CHECKING:
    from collections.abc import Mapping

# Empty means unset to all of them.  Each would change what programs print, or how.
PLAIN = {"PYTHONUNBUFFERED": "", "PYTHONWARNINGS": "", "NO_COLOR": "", "COLUMNS": "", "LINES": ""}


class RunPython(Protocol):
    """The type of the ``run_python`` fixture."""

    def __call__(
        self, *arguments: object, env: Mapping[str, str] | None = None, check: bool = True
    ) -> Outcome:
        """Run ``python <arguments>`` in an empty folder; see tests.programs.run_program."""


@pytest.fixture(scope="session")
def examples() -> Path:
    """Return the folder of the example programs."""
    return Path(__file__).parents[2] / "examples"


@pytest.fixture(params=procession.get_all_start_methods())
def start_method(request: pytest.FixtureRequest) -> str:
    """Return each start method that this system has in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def surroundings() -> dict[str, str]:
    """Return variables with which a program anywhere imports the procession under test."""
    package = str(Path(procession.__file__).parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**PLAIN, "PYTHONPATH": os.pathsep.join(paths), "TERM": "xterm-256color"}


@pytest.fixture
def run_python(surroundings: dict[str, str], tmp_path: Path) -> RunPython:
    """Run Python with nothing on its standard input, guarded against hanging."""

    def run(
        *arguments: object, env: Mapping[str, str] | None = None, check: bool = True
    ) -> Outcome:
        return run_program(
            [str(argument) for argument in arguments],
            cwd=tmp_path,
            env={**surroundings, **(env or {})},
            check=check,
        )

    return run
