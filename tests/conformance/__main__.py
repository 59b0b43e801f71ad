"""CPython's own tests of multiprocessing, run against procession: ``make conformance``.

Takes the tests that the running interpreter was installed with, makes copies of them that test
procession (``rewriting``), runs each class in a process of its own (``classes``), and
compares with what is expected (``expectations``).  Exit code 0: nothing failed that is not
expected to fail, and everything that is expected to fail did.

    python -m tests.conformance                       all suites
    python -m tests.conformance --short               what every change is checked with
    python -m tests.conformance --suite fork --class '*Queue*' --test 'test_get*'
    python -m tests.conformance --stand-in            unchanged, by ``python -m procession run``
    python -m tests.conformance --against multiprocessing   unchanged, to compare
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatchcase
from pathlib import Path

from tests.conformance import expectations, rewriting
from tests.conformance.classes import ClassOutcome, ClassRun, TestClass
from tests.conformance.expectations import Expectation

RELEVANT = {
    # Threads and futures have nothing to do with us.
    "executors": ("ProcessPool*",),
    "users": ("BaseTest", "ConfigDictTest", "LogRecordTest", "Queue*Test", "TestFcntl", "TestFork"),
}
"""The classes of a suite that test what we replace; all, where nothing is said."""

SHORT_SUITES = ("fork", "spawn", "forkserver")
SHORT_CLASSES = (
    "WithProcessesTest*",
    "MiscTestCase",
    "TestNoForkBomb",
    "TestPoolNotLeakOnFailure",
    "TestSimpleQueue",
    "TestWait",
    "TestStartMethod",
    "_TestImportStar",
)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="make conformance", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--suite", action="append", help="fork, spawn, forkserver, main, executors, users"
    )
    parser.add_argument("--class", action="append", dest="classes", help="pattern of class names")
    parser.add_argument("--test", default="*", help="pattern of test names")
    parser.add_argument("--short", action="store_true", help="the heart of it, in a few minutes")
    parser.add_argument("--seconds", type=float, default=120.0, help="for one test (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="classes at a time (%(default)s)")
    parser.add_argument("--logs", type=Path, default=Path("build/conformance"), help="where to")
    parser.add_argument("--against", default="procession", help="the package to test")
    parser.add_argument(
        "--stand-in",
        action="store_true",
        help="run the tests unchanged, by python -m procession run",
    )
    given = parser.parse_args()
    if given.stand_in:
        given.against = "multiprocessing"
    if given.short:
        given.suite = given.suite or list(SHORT_SUITES)
        given.classes = given.classes or list(SHORT_CLASSES)
    return given


def chosen_classes(
    given: argparse.Namespace,
    python: Path,
    folder: Path,
    suites: dict[str, list[str]],
    summary: Summary,
) -> Iterator[TestClass]:
    """Yield the classes that the command line asks for."""
    script = Path(__file__).with_name("one_class.py")
    for suite, modules in suites.items():
        if given.suite and suite not in given.suite:
            continue
        for module in modules:
            command = [str(python), str(script), module, "--list"]
            listing = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True)
            answer = json.loads(listing.stdout.splitlines()[-1])
            if "skipped" in answer:
                print(f"{suite}: {module} is skipped: {answer['skipped']}")
            if "failed" in answer:
                summary.complain(f"{suite}: {module} cannot be imported: {answer['failed']}")
            for name, tests in answer.get("tests", {}).items():
                if not _matches(name, RELEVANT.get(suite)) or not _matches(name, given.classes):
                    continue
                wanted = tuple(
                    test
                    for test in tests
                    if fnmatchcase(test, given.test)
                    and not any(each.hangs(f"{suite}/{name}.{test}") for each in summary.expected)
                )
                if wanted:
                    yield TestClass(suite, module, name, wanted)


def _matches(name: str, patterns: Iterable[str] | None) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


class Summary:
    """Counts, compares with what is expected, and prints."""

    def __init__(self, expected: list[Expectation], *, exact: bool) -> None:
        self.expected = expected
        self._exact = exact
        """Whether a listed test that passes is wrong."""
        self._totals: Counter[str] = Counter()
        self._bad: list[str] = []

    def add(self, done: ClassOutcome) -> None:
        """Print the line of a class, and a line for each of its tests that went wrong."""
        counts: Counter[str] = Counter()
        lines = []
        for outcome in done.outcomes:
            test_id = f"{done.test_class.suite}/{done.test_class.name}.{outcome.test}"
            verdict = self._verdict(test_id, outcome.outcome)
            counts[verdict] += 1
            if verdict in ("failed", "unexpectedly passed"):
                lines.append(f"    {verdict}: {test_id}: {outcome.detail}")
        self._totals.update(counts)
        self._bad += lines
        words = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        name = f"{done.test_class.suite}/{done.test_class.name}"
        print(f"{name:<60} {words} ({done.seconds:.1f} s)", *lines, sep="\n", flush=True)

    def complain(self, text: str) -> None:
        """Something went wrong that belongs to no test."""
        print(text)
        self._bad.append(f"    {text}")

    def _verdict(self, test_id: str, outcome: str) -> str:
        reasons = [each for each in self.expected if each.explains(test_id)]
        if outcome == "failed":
            return "failed as expected" if reasons else "failed"
        if self._exact and outcome == "ok" and any(not reason.sometimes for reason in reasons):
            return "unexpectedly passed"
        return outcome

    def finish(self, seconds: float) -> int:
        """Print the end; return the exit code."""
        if self._bad:
            print("\nwhat went wrong:", *self._bad, sep="\n")
        words = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self._totals.items()))
        print(f"\n{words or 'nothing was run'} in {seconds:.0f} s")
        return 1 if self._bad else 0


def run_all(runs: list[ClassRun], jobs: int, summary: Summary) -> None:
    """Run the classes, some at a time; Ctrl-C ends them all."""
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        futures = [pool.submit(run.run) for run in runs]
        try:
            for done in as_completed(futures):
                summary.add(done.result())
        finally:
            for run in runs:
                run.stop()


def main() -> int:
    """Run what is asked for."""
    given = arguments()
    source = rewriting.standard_tests()
    if source is None:
        print(
            f"skipped: {sys.executable} was installed without its tests (test.{rewriting.SHARED})"
        )
        return 0
    began = time.monotonic()
    logs: Path = given.logs.resolve() / sys.implementation.cache_tag
    logs.mkdir(parents=True, exist_ok=True)
    print(f"Python {platform.python_version()}, its tests in {source}; logs in {logs}")
    ours = given.against == "procession" or given.stand_in
    # What a test starts beside itself, by its own command, has no stand-in, and differs in nothing.
    summary = Summary(expectations.read() if ours else [], exact=not given.stand_in)
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        folder = Path(name).resolve()
        python = rewriting.make_interpreter(folder)
        suites = rewriting.write_suites(source, folder, given.against)
        missing = {*rewriting.METHODS, "main", "executors", "users"} - suites.keys()
        if missing:
            print(f"skipped, not installed with this Python: {', '.join(sorted(missing))}")
        runner = [str(python), *(["-m", "procession", "run"] if given.stand_in else [])]
        runs = []
        for test_class in chosen_classes(given, python, folder, suites, summary):
            log = logs / f"{test_class.suite}-{test_class.name}.log"
            log.unlink(missing_ok=True)
            runs.append(ClassRun(runner, folder, log, given.seconds, test_class))
        run_all(runs, given.jobs, summary)
    return summary.finish(time.monotonic() - began)


if __name__ == "__main__":
    raise SystemExit(main())
