"""The fork server: how it and its children end, that it can be killed, and what it leaves."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import procession
from tests.conftest import RunScript
from tests.waiting import HANG_GUARD_SECONDS

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the standard library's own server is used"
)


def _eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + HANG_GUARD_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def _end_with(how: str) -> None:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(int(how))


def _wait_for(connection: Any) -> None:
    connection.recv()


def _server_pid() -> int:
    from procession._engine.process.warm_client import SERVER

    SERVER.ensure_running()
    assert SERVER.pid is not None
    return SERVER.pid


@pytest.fixture
def context() -> Any:
    """The context of the fork server."""
    return procession.get_context("forkserver")


@pytest.mark.parametrize(("how", "code"), [("0", 0), ("7", 7), ("255", 255), ("kill", -9)])
def test_exit_codes_are_exact(context: Any, how: str, code: int) -> None:
    """Whatever ends a child, its exit code says it, and the server lives on."""
    server = _server_pid()
    process = context.Process(target=_end_with, args=(how,))
    process.start()
    process.join(HANG_GUARD_SECONDS)
    assert process.exitcode == code
    assert _server_pid() == server
    process.close()


def test_a_killed_server_is_started_anew(context: Any) -> None:
    """The next start makes another server; a child of the killed one runs on and is joined."""
    ours, childs = procession.Pipe()
    survivor = context.Process(target=_wait_for, args=(childs,))
    survivor.start()
    childs.close()
    server = _server_pid()
    os.kill(server, signal.SIGKILL)
    assert _eventually(lambda: _is_gone(server))
    process = context.Process(target=_end_with, args=("5",))
    process.start()
    process.join(HANG_GUARD_SECONDS)
    assert process.exitcode == 5
    assert _server_pid() != server
    assert survivor.is_alive()
    ours.send("end")
    survivor.join(HANG_GUARD_SECONDS)
    assert survivor.exitcode == 0
    ours.close()


def test_ctrl_c_does_not_end_the_server(context: Any) -> None:
    """SIGINT goes to the whole group of a terminal; the server is deaf to it, children are not."""
    server = _server_pid()
    os.kill(server, signal.SIGINT)
    process = context.Process(target=signal.pause)
    process.start()
    process.interrupt()
    process.join(HANG_GUARD_SECONDS)
    assert process.exitcode == 1
    assert _server_pid() == server


@pytest.mark.parametrize("ending", ["kill", "exit"])
def test_the_server_ends_with_its_parent(run_script: RunScript, ending: str) -> None:
    """However the parent ends, the server does too; it leaves no process."""
    outcome = run_script(
        """
        import os, signal, sys
        import procession

        if __name__ == "__main__":
            process = procession.get_context("forkserver").Process(target=int)
            process.start()
            process.join()
            from procession._engine.process.warm_client import SERVER
            print(SERVER.pid, flush=True)
            if sys.argv[1] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        """,
        ending,
        check=False,
    )
    server = int(outcome.stdout)
    assert _eventually(lambda: _is_gone(server))


def test_children_of_children_come_from_the_same_server(run_script: RunScript) -> None:
    """A child of the server starts its own children through it; a forked one starts its own."""
    outcome = run_script(
        """
        import os
        import procession

        def grandchild():
            print(os.getppid(), flush=True)

        def child(method):
            process = procession.get_context("forkserver").Process(target=grandchild)
            process.start()
            process.join()

        if __name__ == "__main__":
            for method in ("forkserver", "fork"):
                process = procession.get_context(method).Process(target=child, args=(method,))
                process.start()
                process.join()
            from procession._engine.process.warm_client import SERVER
            print(SERVER.pid)
        """
    )
    of_served, of_forked, server = outcome.stdout.split()
    assert of_served == server != of_forked


def test_two_hundred_starts_leave_nothing(context: Any) -> None:
    """Descriptors of parent and server are as many as after the first start."""

    def start() -> None:
        process = context.Process(target=int)
        process.start()
        process.join(HANG_GUARD_SECONDS)
        process.close()

    def descriptors() -> list[int]:
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (os.getpid(), _server_pid())]

    start()
    before = descriptors()
    for _ in range(200):
        start()
    # The server closes a descriptor of the last child just after it has told its end.
    assert _eventually(
        lambda: all(now <= then for now, then in zip(descriptors(), before, strict=True))
    )


def test_threads_start_children_at_once(context: Any) -> None:
    """Each gets its own child, with its own arguments and exit code."""
    codes: list[tuple[int, int | None]] = []

    def start(code: int) -> None:
        for _ in range(5):
            process = context.Process(target=_end_with, args=(str(code),))
            process.start()
            process.join(HANG_GUARD_SECONDS)
            codes.append((code, process.exitcode))
            process.close()

    threads = [threading.Thread(target=start, args=(code,)) for code in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == 30
    assert all(code == exitcode for code, exitcode in codes)


def test_a_large_argument_arrives(context: Any) -> None:
    """What does not fit into a pipe does not keep the start from coming to its end."""
    process = context.Process(target=len, args=(bytes(5_000_000),))
    process.start()
    process.join(HANG_GUARD_SECONDS)
    assert process.exitcode == 0
    process.close()


def test_too_many_descriptors_are_refused(context: Any) -> None:
    """More than the kernel hands over at once is a ValueError that says so, and leaves nothing."""
    pipes = [procession.Pipe() for _ in range(130)]
    process = context.Process(target=len, args=(pipes,))
    with pytest.raises(ValueError, match="too many descriptors"):
        process.start()
    for pair in pipes:
        for end in pair:
            end.close()


def test_the_standard_librarys_server_works_beside_ours(run_script: RunScript) -> None:
    """Both are used in one program; neither knows of the other."""
    outcome = run_script(
        """
        import multiprocessing, os
        import procession

        def tell():
            print(os.getppid(), flush=True)

        if __name__ == "__main__":
            for package in (procession, multiprocessing, procession, multiprocessing):
                process = package.get_context("forkserver").Process(target=tell)
                process.start()
                process.join()
        """
    )
    ours, theirs, ours_again, theirs_again = outcome.stdout.split()
    assert ours == ours_again != theirs == theirs_again


def test_a_killed_resource_tracker_is_replaced_at_the_next_start(run_script: RunScript) -> None:
    """The child is given the way to the new one, not to the one that is gone."""
    outcome = run_script(
        """
        import os, signal, time, warnings
        from multiprocessing import resource_tracker
        import procession

        tracker = resource_tracker._resource_tracker

        def tell():
            os.write(tracker._fd, b"PROBE:0:noop\\n")
            print("told", flush=True)

        if __name__ == "__main__":
            warnings.simplefilter("ignore")  # the standard library says that it was killed
            context = procession.get_context("forkserver")
            pids = []
            for _ in range(2):
                process = context.Process(target=tell)
                process.start()
                process.join()
                pids.append(tracker._pid)
                os.kill(pids[-1], signal.SIGKILL)
                os.waitid(os.P_PID, pids[-1], os.WEXITED | os.WNOWAIT)
            print(process.exitcode, len(set(pids)))
        """
    )
    assert outcome.stdout.split() == ["told", "told", "0", "2"]


def test_the_server_has_no_name_in_the_file_system(context: Any) -> None:
    """It is reached by descriptor only: its sockets are bound to nothing."""
    inodes = set()
    for fd in os.listdir(f"/proc/{_server_pid()}/fd"):
        link = os.readlink(f"/proc/{_server_pid()}/fd/{fd}")
        if link.startswith("socket:["):
            inodes.add(link[8:-1])
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    ours = [row for row in rows if row[6] in inodes]
    assert ours
    assert {len(row) for row in ours} == {7}  # an eighth column would be the name


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_main_module_that_asks_for_its_parent_finds_one(
    method: str, run_script: RunScript
) -> None:
    """``parent_process() is None`` is true in the main process only, at its import too."""
    outcome = run_script(
        """
        import sys
        import procession

        def tell():
            print("child", flush=True)

        if procession.parent_process() is None:
            process = procession.get_context(sys.argv[1]).Process(target=tell)
            process.start()
            process.join()
            print("parent", process.exitcode)
        """,
        method,
    )
    assert outcome.stdout.splitlines() == ["child", "parent 0"]


def test_a_frozen_program_uses_the_standard_server(run_script: RunScript) -> None:
    """Its executable is the program, and the standard server's command is what it is made for."""
    outcome = run_script(
        """
        import sys
        sys.frozen = True
        from procession._engine.process import server_launcher
        print(server_launcher.ServerPopen is server_launcher.ForkServerPopen)
        """
    )
    assert outcome.stdout == "True\n"
