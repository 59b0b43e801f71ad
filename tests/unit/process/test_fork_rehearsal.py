"""What a parent learns for its forks leaves nothing behind, and is no condition of a start."""

from __future__ import annotations

import os
import threading

import pytest

import procession
from procession._engine.process import fork_rehearsal
from procession._engine.process.reporting import Report
from tests.conftest import RunScript
from tests.waiting import HANG_GUARD_SECONDS


@pytest.fixture(autouse=True)
def nothing_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test be the first start of its process."""
    monkeypatch.setattr(fork_rehearsal, "REHEARSED", set())


def test_rehearsal_leaves_nothing_behind() -> None:
    """No descriptor, no thread, and the next thread without a name has the number it would have."""
    process = procession.get_context("fork").Process(target=int)
    report = Report()
    first = int(threading.Thread().name.split("-")[1].split()[0])
    threads, descriptors = threading.enumerate(), sorted(os.listdir("/proc/self/fd"))
    fork_rehearsal.rehearse(process, report)
    assert sorted(os.listdir("/proc/self/fd")) == descriptors
    assert threading.enumerate() == threads
    assert int(threading.Thread().name.split("-")[1].split()[0]) == first + 1
    assert type(process) in fork_rehearsal.REHEARSED
    report.close()


def test_process_starts_though_its_rehearsal_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another Python has not, or what there is no room for, is left to the children."""

    def fail() -> None:
        raise OSError("no descriptor left")

    monkeypatch.setattr(fork_rehearsal, "_do_as_children_do", fail)
    report = Report()
    process = procession.get_context("fork").Process(target=int)
    fork_rehearsal.rehearse(process, report)
    report.close()
    process.start()
    process.join(HANG_GUARD_SECONDS)
    assert process.exitcode == 0
    process.close()


def test_lifeline_is_for_daemonic_forks(run_script: RunScript) -> None:
    """Other forks do without its hooks, and their parent's end is told by a pidfd."""
    outcome = run_script(
        """
        import sys
        import procession
        from procession._engine.process.launcher import HAS_PIDFD

        def look():
            sys.exit(7 if procession.parent_process().is_alive() else 1)

        for daemon in (False, True):
            process = procession.get_context("fork").Process(target=look, daemon=daemon)
            process.start()
            process.join()
            loaded = "procession._engine.process.lifeline" in sys.modules
            print(process.exitcode, loaded or not (HAS_PIDFD or daemon))
        """
    )
    assert outcome.stdout.splitlines() == ["7 False", "7 True"]
