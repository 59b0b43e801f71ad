"""Programs of procession's clients, each under every start method.

A program in ``programs/`` says ``import multiprocessing`` and is run, unmodified, by
``python -m procession run``; one that imports procession itself is run by Python alone.  It gets
the start method as its argument, checks what came out, and prints "passed".  ``Needs:`` in its
docstring names the packages that it imports.
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
from pathlib import Path

import pytest

import procession
from tests.programs import run_program

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
METHODS = procession.get_all_start_methods()

# Libraries that compile, import PyTorch in each child, or wait for a server to come up.
pytestmark = pytest.mark.timeout(600)


def needs(program: Path) -> list[str]:
    """Return the packages that a program says it needs."""
    text = ast.get_docstring(ast.parse(program.read_text(encoding="utf-8"))) or ""
    line = re.search(r"^Needs: (.+)$", text, re.MULTILINE)
    return line.group(1).split() if line else []


def missing(packages: list[str]) -> list[str]:
    """Return those of the packages that are not installed."""
    absent = []
    for package in packages:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            absent.append(package)
    return absent


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a program: a home of its own for caches, and no network."""
    folder = str(tmp_path_factory.mktemp("home"))
    return {
        "HOME": folder,
        "XDG_CACHE_HOME": folder,
        "HF_HOME": folder,
        "HF_HUB_OFFLINE": "1",
        "MPLCONFIGDIR": folder,
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("program", PROGRAMS, ids=[path.stem for path in PROGRAMS])
def test_the_program_of_a_client_passes(
    program: Path, method: str, home: dict[str, str], tmp_path: Path
) -> None:
    """It ends by itself, finds everything right, and leaves nothing behind."""
    absent = missing(needs(program))
    if absent:
        pytest.skip(f"{program.stem} needs {', '.join(absent)}, not installed here")
    imports_us = "import procession" in program.read_text(encoding="utf-8")
    run = [] if imports_us else ["-m", "procession", "run"]

    outcome = run_program(
        [*run, str(program), method], cwd=tmp_path, timeout=500, env=home, check=True
    )

    assert outcome.stdout.splitlines()[-1:] == ["passed"], outcome
