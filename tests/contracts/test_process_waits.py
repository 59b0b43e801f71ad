"""Waiting for a Process and ending it, under every start method: join, sentinel, signals."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing import connection
from typing import Any

import pytest

import procession
from procession.context import BaseContext
from tests.contracts.process_children import waiting_child
from tests.waiting import HANG_GUARD_SECONDS


def test_join_with_a_time_out_returns_in_time(context: BaseContext) -> None:
    """``join(timeout)`` returns None with the child still running."""
    process = waiting_child(context)
    for timeout in (0, 0.05, -1, -1e300, float("-inf")):
        process.join(timeout)
        assert process.exitcode is None
    assert process.is_alive()
    process.terminate()
    process.join()
    assert process.exitcode == -signal.SIGTERM
    process.join()
    process.close()


@pytest.mark.parametrize("timeout", [1e7, 1e300, float("inf")])
def test_join_takes_a_time_out_of_any_length(context: BaseContext, timeout: float) -> None:
    """A time-out beyond what the system can count is no error."""
    process = waiting_child(context)
    process.terminate()
    process.join(timeout)
    assert process.exitcode == -signal.SIGTERM
    process.close()


@pytest.mark.parametrize(
    ("method", "number"), [("terminate", signal.SIGTERM), ("kill", signal.SIGKILL)]
)
def test_child_can_be_ended(context: BaseContext, method: str, number: int) -> None:
    """``terminate`` sends SIGTERM, ``kill`` SIGKILL; both do nothing after the end."""
    process = waiting_child(context)
    getattr(process, method)()
    process.join(HANG_GUARD_SECONDS)
    assert process.exitcode == -number
    getattr(process, method)()
    process.close()


def test_interrupt_raises_keyboard_interrupt_in_the_child(context: BaseContext) -> None:
    """``interrupt`` is the Ctrl-C of one child, on every version of Python."""
    process = waiting_child(context)
    process.interrupt()
    process.join(HANG_GUARD_SECONDS)
    assert process.exitcode == 1
    assert isinstance(process.exception, KeyboardInterrupt)
    process.interrupt()
    process.close()


def test_sentinel_becomes_ready_at_the_end(context: BaseContext) -> None:
    """``connection.wait`` on the sentinel returns when the child has ended, not before."""
    process = waiting_child(context)
    assert connection.wait([process.sentinel], 0) == []
    assert procession.connection.wait([process.sentinel], 0) == []
    process.kill()
    assert connection.wait([process.sentinel], HANG_GUARD_SECONDS) == [process.sentinel]
    assert procession.connection.wait([process.sentinel], HANG_GUARD_SECONDS) == [process.sentinel]
    process.join(HANG_GUARD_SECONDS)
    process.close()


def leave_a_grandchild(receiver: Any) -> None:
    """In a child: fork a process that outlives it, with copies of all descriptors."""
    pid = os.fork()
    if pid == 0:
        time.sleep(HANG_GUARD_SECONDS)
        os._exit(0)
    receiver.send(pid)
    os._exit(5)


def test_end_is_seen_although_a_grandchild_has_copies(context: BaseContext) -> None:
    """``join(timeout)`` and the sentinel look at the child, not at what it left running."""
    ours, childs = multiprocessing.Pipe(duplex=False)
    with ours, childs:
        process = context.Process(target=leave_a_grandchild, args=(childs,))
        process.start()
        grandchild = ours.recv()
    try:
        assert connection.wait([process.sentinel], HANG_GUARD_SECONDS / 2)
        process.join(HANG_GUARD_SECONDS / 2)
        assert process.exitcode == 5
    finally:
        os.kill(grandchild, signal.SIGKILL)
    process.close()


def test_process_starts_in_a_thread(context: BaseContext) -> None:
    """A child started by a thread goes on when the thread ends."""
    started: list[Any] = []
    thread = threading.Thread(target=lambda: started.append(waiting_child(context, daemon=True)))
    thread.start()
    thread.join(HANG_GUARD_SECONDS)
    process = started[0]
    process.join(0.2)
    assert process.is_alive()
    process.kill()
    process.join(HANG_GUARD_SECONDS)
    assert process.exitcode == -signal.SIGKILL
    process.close()


def test_threads_may_wait_for_one_child_together(context: BaseContext) -> None:
    """Each of them returns when it ends, and sees the exit code."""
    process = waiting_child(context)
    seen: list[int | None] = []

    def wait() -> None:
        process.join(HANG_GUARD_SECONDS)
        seen.append(process.exitcode)

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    process.kill()
    for thread in threads:
        thread.join(HANG_GUARD_SECONDS)
    assert seen == [-signal.SIGKILL] * 8
    process.close()
