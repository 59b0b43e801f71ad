"""The check that runs after every test finds what it is there for, and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import shared_memory
from pathlib import Path

import pytest

from tests.conftest import RunScript
from tests.leaks import end_left_processes, left_behind, take_inventory
from tests.programs import ProgramError

SOON = 0.05  # seconds of patience where something is meant to be found


def wait_for_end(gate: int) -> None:
    """Wait until the other end of the pipe is closed."""
    os.read(gate, 1)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe of the system, whose ends the test may have closed."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        with suppress(OSError):
            os.close(fd)


def test_nothing_is_found_where_nothing_was_left() -> None:
    """Two inventories in a row differ by nothing."""
    assert left_behind(take_inventory(), patience=0) == []


def test_a_living_child_is_found_and_can_be_ended(pipe: tuple[int, int]) -> None:
    """A child that still runs is reported with its pid, and is gone after the clean-up."""
    before = take_inventory()
    child = multiprocessing.get_context("fork").Process(target=wait_for_end, args=(pipe[0],))
    child.start()
    found = left_behind(before, patience=SOON)
    assert any(f"process {child.pid}" in sentence for sentence in found)
    end_left_processes(before)
    child.join()
    child.close()
    assert left_behind(before) == []


def test_an_orphan_of_a_killed_parent_is_found(run_script: RunScript) -> None:
    """A grandchild that outlives its parent is of the family although init is its parent now."""
    outcome = run_script(
        """
        import os, sys, time
        from tests.leaks import end_left_processes, left_behind, take_inventory

        before = take_inventory()
        gate, held = os.pipe()
        parent = os.fork()
        if parent == 0:
            if os.fork() == 0:
                os.close(held)
                os.read(gate, 1)
            os._exit(0)
        os.waitpid(parent, 0)
        found = [line for line in left_behind(before, patience=0.05) if "process" in line]
        end_left_processes(before)
        os.close(gate)
        os.close(held)
        print(len(found), left_behind(before))
        """,
        env={"PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])},
    )
    assert outcome.stdout == "1 []\n"


def test_an_open_descriptor_is_found_with_its_target(tmp_path: Path) -> None:
    """A file that was not closed is reported with its name."""
    before = take_inventory()
    with (tmp_path / "forgotten.txt").open("w"):
        found = left_behind(before, patience=SOON)
    assert len(found) == 1
    assert "forgotten.txt" in found[0]


def test_a_descriptor_replaced_under_the_same_number_is_found(pipe: tuple[int, int]) -> None:
    """Another pipe under an old number is a difference."""
    before = take_inventory()
    reader, writer = os.pipe()
    os.dup2(reader, pipe[0])
    os.close(reader)
    os.close(writer)
    assert any(f"descriptor {pipe[0]}" in each for each in left_behind(before, patience=SOON))


def test_a_running_thread_is_found_by_its_name() -> None:
    """A thread that still runs is reported."""
    before = take_inventory()
    go = threading.Event()
    thread = threading.Thread(target=go.wait, name="forgotten-thread")
    thread.start()
    found = left_behind(before, patience=SOON)
    go.set()
    thread.join()
    assert any("forgotten-thread" in sentence for sentence in found)
    assert left_behind(before) == []


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="named shared memory has no folder here")
def test_a_named_segment_is_found() -> None:
    """A segment that was closed but not unlinked is reported with its name."""
    before = take_inventory()
    segment = shared_memory.SharedMemory(create=True, size=16)
    segment.close()
    found = left_behind(before, patience=SOON)
    segment.unlink()
    assert any(segment.name.lstrip("/") in sentence for sentence in found)


def test_servers_of_the_standard_library_are_allowed() -> None:
    """The resource tracker and the fork server may stay; the process that they served may not."""
    before = take_inventory()
    process = multiprocessing.get_context("forkserver").Process(target=os.getpid)
    process.start()
    process.join()
    process.close()
    assert left_behind(before) == []


def test_a_program_that_hangs_is_ended_with_what_it_printed(run_script: RunScript) -> None:
    """The hang guard kills the program and shows its output."""
    with pytest.raises(ProgramError, match=r"(?s)did not end within 5\.0 s.*so far"):
        run_script("print('so far', flush=True); import time; time.sleep(600)", timeout=5.0)


def test_a_program_that_fails_is_an_error_with_its_traceback(run_script: RunScript) -> None:
    """An exit code other than 0 fails the test and shows stderr."""
    with pytest.raises(ProgramError, match=r"(?s)exited with 1.*ZeroDivisionError"):
        run_script("1 / 0")
