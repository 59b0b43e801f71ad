"""Run tests of one class in this process, and note each outcome at once.

    python one_class.py MODULE --list             print the tests of a module, as JSON
    python one_class.py MODULE CLASS NOTES TEST…  run tests, append their outcomes to NOTES

Uses the standard library only.  A note is a line of JSON, so the process may hang or crash
without taking with it what came before.  Importing this file does nothing: children
under spawn and forkserver do it.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import sys
import time
import unittest
from pathlib import Path
from typing import Any

PATIENCE = float(os.environ.get("CONFORMANCE_TEST_SECONDS", "120"))
"""Seconds after which a test prints the stacks of its threads; a little later it is killed."""


class Notes(unittest.TestResult):
    """Writes a line at the beginning and at the end of each test."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._pid = os.getpid()
        self._began = time.monotonic()

    def note(self, test: object, outcome: str, detail: str = "") -> None:
        """Append a line."""
        if os.getpid() != self._pid:
            return  # a forked child that came back into the test runner
        seconds = round(time.monotonic() - self._began, 2)
        name = getattr(test, "_testMethodName", None) or str(test).partition(" ")[0]
        line = {"test": name, "outcome": outcome, "detail": detail, "seconds": seconds}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        """A test begins."""
        super().startTest(test)
        self._began = time.monotonic()
        print(f"\n===== {test.id()}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback_later(PATIENCE, exit=False)
        self.note(test, "started")

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        """It has ended, one way or the other."""
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        """It passed."""
        self.note(test, "ok")

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: ARG002, N802
        """It failed, and is marked so."""
        self.note(test, "ok", "fails, as its authors expect")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        """It passed, and is marked as failing."""
        self.note(test, "failed", "passes, where its authors expect a failure")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        """It is not for this system."""
        self.note(test, "skipped", reason)

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        """It raised."""
        self._failed(test, err)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        """An assertion failed."""
        self._failed(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: ARG002, N802
        """A part of it ended."""
        if err is not None:
            self._failed(test, err)

    def _failed(self, test: unittest.TestCase, err: Any) -> None:
        text = self._exc_info_to_string(err, test)  # type: ignore[attr-defined]
        print(text, file=sys.stderr, flush=True)
        self.note(test, "failed", text.rstrip().rpartition("\n")[2][:300])


def tests_of(module: str) -> dict[str, list[str]]:
    """The test methods of each class of a module; importing it may raise SkipTest."""
    loader = unittest.TestLoader()
    found = {}
    for name, kind in vars(importlib.import_module(module)).items():
        is_test = isinstance(kind, type) and issubclass(kind, unittest.TestCase)
        if is_test and kind.__module__ == module:
            found[name] = list(loader.getTestCaseNames(kind))
    return {name: tests for name, tests in found.items() if tests}


def run(module: str, class_name: str, notes: Path, tests: list[str]) -> None:
    """Run the tests, and say what they left behind."""
    from test import support

    kind = getattr(importlib.import_module(module), class_name)
    result = Notes(notes)
    unittest.TestSuite(kind(test) for test in tests).run(result)
    result.note("end", "left" if support.environment_altered else "clean")


def main() -> None:
    """See the text of this module."""
    faulthandler.enable()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As a shell's background jobs have it; the tests send Ctrl-C to themselves.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    module, what = sys.argv[1:3]
    if what == "--list":
        try:
            listed = tests_of(module)
        except unittest.SkipTest as reason:
            print(json.dumps({"skipped": str(reason)}))
        except Exception as error:  # whatever an import raises
            print(json.dumps({"failed": repr(error)}))
        else:
            print(json.dumps({"tests": listed}))
    else:
        run(module, what, Path(sys.argv[3]), sys.argv[4:])


if __name__ == "__main__":
    main()
