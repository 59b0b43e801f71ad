"""The lifeline: one write end, held by one process, whatever forks."""

from __future__ import annotations

import os
import select
import signal

import pytest

from procession._engine.process import lifeline
from procession._engine.process.lifeline import Lifeline

GUARD = 60_000
"""Milliseconds after which something hangs; generous, as the machine may be busy."""


def hung_up(fd: int, timeout: int = 0) -> bool:
    """Whether the end of file is there within so many milliseconds."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout))


@pytest.fixture
def run_in_a_fork() -> object:
    """Fork, call a function in the child, and return the child's wait status."""

    def run(function: object) -> int:
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                assert callable(function)
                code = function()
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return run


def close_ends(line: Lifeline) -> None:
    """End a lifeline of a test."""
    for fd in line._ends or ():
        os.close(fd)
    line._ends = None


def test_shared_ends_are_copies_of_one_pipe() -> None:
    """Each child gets a descriptor of its own, of the one pipe that tells of our end."""
    line = Lifeline()
    first, second = line.share(), line.share()
    assert first != second
    assert os.fstat(first).st_ino == os.fstat(second).st_ino
    assert not hung_up(first)
    close_ends(line)
    assert hung_up(first)
    assert hung_up(second)
    os.close(first)
    os.close(second)


def test_fork_does_not_hold_the_write_end(run_in_a_fork: object) -> None:
    """A child by plain ``os.fork`` has neither end, and makes a pipe of its own if it needs one."""
    assert callable(run_in_a_fork)
    line = Lifeline()
    shared = line.share()
    ends = line._ends

    def look() -> int:
        assert ends is not None
        for fd in ends:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(fd)
        fresh = line.share()
        return 0 if os.fstat(fresh).st_ino != os.fstat(shared).st_ino else 1

    assert run_in_a_fork(look) == 0
    close_ends(line)
    os.close(shared)


def test_lifeline_whose_descriptors_were_closed_begins_anew() -> None:
    """A program that closes all descriptors can start processes afterwards."""
    line = Lifeline()
    os.close(line.share())
    assert line._ends is not None
    for fd in line._ends:
        os.close(fd)
    shared = line.share()
    assert not hung_up(shared)
    close_ends(line)
    os.close(shared)


def test_lifeline_does_not_close_what_is_not_its_own(run_in_a_fork: object) -> None:
    """A file that was opened under the number of our pipe is left alone in a forked child."""
    assert callable(run_in_a_fork)
    line = Lifeline()
    os.close(line.share())
    assert line._ends is not None
    reader, writer = line._ends
    os.close(writer)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, writer)
    assert run_in_a_fork(lambda: os.write(writer, b"x")) == 1
    for fd in {reader, writer, null}:
        os.close(fd)
    line._ends = None


def end_when_told(watch: object, reader: int, armed: int) -> int:
    """In a fork: watch the pipe, say so, and wait to be ended."""
    assert callable(watch)
    watch(reader)
    os.write(armed, b"x")
    signal.pause()
    return 0


@pytest.mark.parametrize("by_thread", [False, True])
def test_end_with_ends_the_process(by_thread: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process gets SIGKILL when the write end is closed, by the kernel or by a thread."""
    if by_thread:

        def refuse(_fd: int) -> None:
            raise OSError("no such thing here")

        monkeypatch.setattr(lifeline, "_end_by_kernel", refuse)
    reader, writer = os.pipe()
    told, armed = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os._exit(end_when_told(lifeline.end_with, reader, armed))
    assert os.read(told, 1) == b"x"
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    os.close(writer)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    for fd in (reader, told, armed):
        os.close(fd)


def test_end_with_a_parent_that_is_gone_ends_at_once() -> None:
    """A child that asks too late is not left over."""
    reader, writer = os.pipe()
    os.close(writer)
    pid = os.fork()
    if pid == 0:
        lifeline.end_with(reader)
        signal.pause()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    os.close(reader)
