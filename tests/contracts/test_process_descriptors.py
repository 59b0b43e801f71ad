"""Descriptors that a Process costs: none that stay, and a clear error where none is left."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
from typing import Any

import pytest

import procession
from procession.context import BaseContext
from tests.conftest import RunScript
from tests.contracts.process_children import do_nothing, run_to_end
from tests.waiting import HANG_GUARD_SECONDS


def test_many_children_in_a_row_leave_no_descriptor(context: BaseContext) -> None:
    """A hundred children, closed or dropped, leave the table of descriptors as it was."""
    rounds = 100 if context.get_start_method() == "fork" else 6
    run_to_end(context, do_nothing).close()
    before = len(os.listdir("/proc/self/fd"))
    for number in range(rounds):
        process = run_to_end(context, fail_quietly)
        assert process.exitcode == 1
        if number % 2:
            process.close()
    del process
    assert len(os.listdir("/proc/self/fd")) == before


def fail_quietly() -> None:
    """In a child: fail without a page of text."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    raise ValueError


@pytest.mark.parametrize("free", [0, 1, 3, 7])
def test_start_without_descriptors_raises_and_leaves_nothing(
    context: BaseContext, free: int
) -> None:
    """With too few descriptors left ``start`` raises OSError; later the same object starts."""
    if context.get_start_method() == "fork" and free > 1:
        pytest.skip("a fork takes two descriptors, where the system has pidfds")
    run_to_end(context, do_nothing).close()
    process = context.Process(target=do_nothing)
    before = sorted(os.listdir("/proc/self/fd"))
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    hog = [os.open(os.devnull, os.O_RDONLY) for _ in range(free)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(hog, default=lowest_free()), old[1]))
    for fd in hog:
        os.close(fd)
    try:
        with pytest.raises(OSError, match="Too many open files"):
            process.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, old)
    assert sorted(os.listdir("/proc/self/fd")) == before
    process.start()
    process.join(HANG_GUARD_SECONDS)
    assert process.exitcode == 0
    process.close()


def lowest_free() -> int:
    """Return the number that the next descriptor will get."""
    fd = os.open(os.devnull, os.O_RDONLY)
    os.close(fd)
    return fd


def count_descriptors(receiver: Any) -> None:
    """In a child: send how many descriptors it has."""
    receiver.send(len(os.listdir("/proc/self/fd")))


def test_children_do_not_collect_descriptors_of_their_siblings() -> None:
    """The tenth child of a fork has not more descriptors of ours than its sentinel costs."""
    context = procession.get_context("fork")
    ours, childs = multiprocessing.Pipe(duplex=False)
    running = []
    with ours, childs:
        counts = []
        for _ in range(5):
            process = context.Process(target=count_descriptors, args=(childs,))
            process.start()
            counts.append(ours.recv())
            running.append(process)
        for process in running:
            process.join(HANG_GUARD_SECONDS)
            process.close()
    # For each sibling: its sentinel, the launcher's pipe end, and the report.
    assert counts[-1] - counts[0] <= 3 * (len(counts) - 1)


def test_a_child_is_joined_by_a_program_that_closed_all_descriptors(run_script: RunScript) -> None:
    """As programs do that go into the background."""
    outcome = run_script(
        """
        import os, time
        import procession

        process = procession.get_context("fork").Process(target=time.sleep, args=(0.1,))
        process.start()
        os.closerange(3, 256)
        process.join()
        print(process.exitcode)
        """
    )
    assert outcome.stdout == "0\n"
