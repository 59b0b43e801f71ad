"""The report of a child: whole or not at all, and never in a file that is not ours."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from procession._engine.errors import RemoteError
from procession._engine.process import report
from procession._engine.process.reporting import Report, ReportFile, watch_arrival


def raised(error: BaseException) -> BaseException:
    """Return the exception with a traceback, as a child has it."""
    try:
        raise error
    except BaseException as caught:
        return caught


def collected(error: BaseException) -> BaseException | None:
    """Send an exception through a report of its own."""
    made = Report()
    report.write(ReportFile(made.file.fd), raised(error))
    made.collect()
    return made.exception


def test_exception_arrives_with_its_traceback() -> None:
    """The parent gets an equal exception whose cause has the text of the child's traceback."""
    error = collected(ValueError("seven", 7))
    assert isinstance(error, ValueError)
    assert error.args == ("seven", 7)
    assert "raise error" in str(error.__cause__)


def test_big_exception_arrives() -> None:
    """A report may be of any size: nobody has to read while the child writes."""
    error = collected(ValueError("x" * 3_000_000))
    assert isinstance(error, ValueError)
    assert len(error.args[0]) == 3_000_000


class SilentError(Exception):
    """Fails when it is asked for its text, and when it is pickled."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __reduce__(self) -> Any:
        raise RuntimeError("no pickle")


def test_hostile_exception_is_described() -> None:
    """Whatever an exception's own methods do, its type and traceback arrive."""
    error = collected(SilentError())
    assert isinstance(error, RemoteError)
    assert error.type_name.endswith("SilentError")
    assert "Traceback" in error.remote_traceback


def test_no_report_is_none() -> None:
    """A child that succeeds writes nothing."""
    made = Report()
    made.collect()
    assert made.exception is None


@pytest.mark.parametrize("kept", [3, 8, 20])
def test_report_that_was_cut_off_is_none(kept: int) -> None:
    """A child that was killed while it wrote has left no report."""
    made = Report()
    report.write(made.file, raised(ValueError("x" * 100)))
    os.ftruncate(made.file.fd, kept)
    made.collect()
    assert made.exception is None


def test_collecting_closes_the_file_once() -> None:
    """After the end of a child its report costs no descriptor, however often it is asked for."""
    made = Report()
    made.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(made.file.fd)
    made.collect()
    made.close()


def test_dropped_report_closes_the_file() -> None:
    """A report that nobody collects is closed with its object."""
    made = Report()
    fd = made.file.fd
    del made
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_file_of_the_program_is_not_written(tmp_path: Path) -> None:
    """A program that reuses the number of our descriptor finds its file as it left it."""
    made = Report()
    file = ReportFile(made.file.fd)
    other = tmp_path / "other"
    other.write_text("untouched")
    fd = os.open(other, os.O_RDWR)
    os.dup2(fd, made.file.fd)
    os.close(fd)
    report.write(file, raised(ValueError("mine")))
    assert other.read_text() == "untouched"
    assert os.lseek(made.file.fd, 0, os.SEEK_CUR) == 0
    made.collect()
    assert made.exception is None
    os.close(made.file.fd)  # raises OSError unless it is open still


def test_report_works_without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no memfd an unlinked temporary file serves."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
    error = collected(KeyError("k"))
    assert isinstance(error, KeyError)


def test_watch_over_the_arrival_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook is there while a process object is unpickled, calls the one before, and goes."""
    passed: list[object] = []
    monkeypatch.setattr(sys, "excepthook", lambda *what: passed.append(what[1]))
    before = sys.excepthook
    made = Report()
    stop = watch_arrival(ReportFile(made.file.fd))
    error = raised(pickle.UnpicklingError("no such class"))
    sys.excepthook(type(error), error, error.__traceback__)
    stop()
    assert sys.excepthook is before
    assert passed == [error]
    made.collect()
    assert isinstance(made.exception, pickle.UnpicklingError)


def test_watch_leaves_a_later_hook_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook that the program's main module installs meanwhile stays."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    made = Report()
    stop = watch_arrival(ReportFile(made.file.fd))

    def of_the_program(*_what: object) -> None:
        """Do nothing."""

    sys.excepthook = of_the_program
    stop()
    assert sys.excepthook is of_the_program
    made.close()


def test_run_is_watched_on_the_instance_only() -> None:
    """While ``run`` runs, the object's attributes are the program's own again."""

    class Runner:
        def run(self) -> None:
            self.seen = dict(vars(self))
            raise LookupError("in run")

    made, runner = Report(), Runner()
    ReportFile(made.file.fd).watch(runner)  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        runner.run()
    assert runner.seen == {}
    made.collect()
    assert isinstance(made.exception, LookupError)


def test_run_of_one_object_is_given_back() -> None:
    """An object that has a ``run`` of its own runs that one, and has it meanwhile."""

    class Runner:
        def run(self) -> None:
            raise AssertionError("the class's")

    made, runner = Report(), Runner()
    seen: list[object] = []

    def own() -> None:
        seen.append(vars(runner).get("run"))

    runner.run = own  # type: ignore[method-assign]
    ReportFile(made.file.fd).watch(runner)  # type: ignore[arg-type]
    runner.run()
    assert seen == [own]
    made.collect()
    assert made.exception is None
