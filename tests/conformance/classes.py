"""Run the tests of one class in a process of its own, and kill what does not end.

A test that hangs or takes its process down is one outcome; those after it in the class are
run in a new process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

STEP = 0.1
"""Seconds between two looks at a class that runs."""

LEFT_BEHIND = "leaves_nothing_behind"
"""The name under which it is told whether a class ended its processes and threads."""


@dataclass(frozen=True)
class TestClass:
    """A class of tests, and which of its tests to run."""

    __test__ = False  # not for pytest

    suite: str
    module: str
    name: str
    tests: tuple[str, ...]


@dataclass
class Outcome:
    """How one test ended: "ok", "skipped" or "failed"."""

    test: str
    outcome: str
    detail: str = ""
    seconds: float = 0.0


@dataclass
class ClassOutcome:
    """How the tests of a class ended."""

    test_class: TestClass
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0


class ClassRun:
    """One class on its way: the processes that run it, the notes that they leave."""

    def __init__(
        self, runner: list[str], folder: Path, log: Path, patience: float, chosen: TestClass
    ) -> None:
        self._runner = runner
        """The beginning of the command that runs a script."""
        self._folder = folder
        self._log = log
        self._patience = patience
        """How many seconds one test may take."""
        self._chosen = chosen
        self._notes = log.with_suffix(".notes")
        self._notes.touch()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def stop(self) -> None:
        """Kill what runs, and run nothing more; from another thread."""
        self._stopped = True
        if self._process is not None:
            _kill(self._process)

    def run(self) -> ClassOutcome:
        """Run all tests of the class, whatever becomes of each."""
        began = time.monotonic()
        result = ClassOutcome(self._chosen)
        left = list(self._chosen.tests)
        while left and not self._stopped:
            outcomes = self._run_some(left)
            result.outcomes += outcomes
            done = {outcome.test for outcome in outcomes}
            rest = [test for test in left if test not in done]
            if len(rest) == len(left):
                break
            left = rest
        result.seconds = time.monotonic() - began
        return result

    def _run_some(self, tests: list[str]) -> list[Outcome]:
        """Run tests until the first that hangs or takes the process down."""
        self._notes.write_text("", encoding="utf-8")
        script = Path(__file__).with_name("one_class.py")
        command = [*self._runner, script, self._chosen.module, self._chosen.name]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*map(str, command), str(self._notes), *tests],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment(),
            )
            how = self._watch(self._process)
        return self._read(how, tests)

    def _environment(self) -> dict[str, str]:
        """Ours, without what would let another Python of that folder see other packages."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return environment | {"CONFORMANCE_TEST_SECONDS": str(self._patience)}

    def _watch(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for the end; return how the process ended, in words."""
        while process.poll() is None:
            time.sleep(STEP)
            if time.time() - self._notes.stat().st_mtime > self._patience + 2:
                break
        hung = process.poll() is None
        _kill(process)
        code = process.wait()
        if hung:
            return f"does not end within {self._patience:.0f} s"
        return f"its process ended with exit code {code}"

    def _read(self, how: str, tests: list[str]) -> list[Outcome]:
        """What the notes say; a test that began and did not end failed as ``how`` says."""
        found: dict[str, Outcome] = {}
        ended = False
        for line in self._notes.read_text(encoding="utf-8").splitlines():
            note = Outcome(**json.loads(line))
            if note.test == "end":
                ended = True
                if note.outcome == "left":
                    detail = "processes or threads are left; see the log"
                    found[LEFT_BEHIND] = Outcome(LEFT_BEHIND, "failed", detail)
            elif note.test not in found or found[note.test].outcome != "failed":
                found[note.test] = note
        for outcome in found.values():
            if outcome.outcome == "started":
                outcome.outcome, outcome.detail = "failed", how
        if ended:
            _add_those_not_run(found, tests)
        elif all(outcome.outcome != "failed" for outcome in found.values()):
            # It ended between two tests.
            missing = next((test for test in tests if test not in found), LEFT_BEHIND)
            found[missing] = Outcome(missing, "failed", how)
        return list(found.values())


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _add_those_not_run(found: dict[str, Outcome], tests: list[str]) -> None:
    """A class or module that fails or is skipped as a whole runs none of its tests."""
    whole = [outcome for test, outcome in found.items() if test not in tests]
    outcome = whole[0].outcome if whole else "failed"
    detail = whole[0].detail if whole else "was not run"
    for test in tests:
        if test not in found:
            found[test] = Outcome(test, outcome, detail)
