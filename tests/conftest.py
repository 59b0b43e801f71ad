"""What every test gets: a check that it left nothing behind, contexts, fresh interpreters."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from multiprocessing.context import BaseContext
from pathlib import Path
from textwrap import dedent
from typing import Protocol

import pytest
from hypothesis import settings

import procession
from tests.leaks import end_left_processes, left_behind, take_inventory
from tests.programs import Outcome, run_program

# NumPy's linear algebra would start a pool of native threads at import, within some test.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

# Programs that tests run have working folders of their own: `PYTHONPATH=src` must hold there too.
if "PYTHONPATH" in os.environ:
    entries = os.environ["PYTHONPATH"].split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in entries)

# How long an example takes says nothing on a machine that is busy; the same ones in every run.
settings.register_profile("procession", deadline=None, derandomize=True, database=None)
settings.load_profile("procession")

# Started in the background by a shell, a test run ignores SIGINT, and so would every program in it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

START_METHODS = multiprocessing.get_all_start_methods()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail the test that leaves a process, shared memory, a descriptor or a thread behind."""
    before = take_inventory()
    yield
    left = left_behind(before)
    if left:
        end_left_processes(before)
        pytest.fail("left behind by this test:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture(params=START_METHODS)
def context(request: pytest.FixtureRequest) -> BaseContext:
    """Procession's context of each start method of this system in turn."""
    chosen: BaseContext = procession.get_context(request.param)
    return chosen


class RunScript(Protocol):
    """The type of the ``run_script`` fixture."""

    def __call__(
        self,
        source: str,
        *arguments: str,
        timeout: float = 60.0,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        check: bool = True,
    ) -> Outcome:
        """Write ``source`` into a file and run it; see tests.programs.run_program."""


@pytest.fixture
def run_script(tmp_path: Path) -> RunScript:
    """Run a program, given as text, from a file of its own in a fresh interpreter."""

    def run(
        source: str,
        *arguments: str,
        timeout: float = 60.0,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        check: bool = True,
    ) -> Outcome:
        script = tmp_path / "script.py"
        script.write_text(dedent(source))
        return run_program(
            [str(script), *arguments],
            cwd=tmp_path,
            timeout=timeout,
            env=env,
            stdin=stdin,
            check=check,
        )

    return run
