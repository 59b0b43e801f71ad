"""The fork server: it is warm, its children are of their parent's moment, and it can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import procession
from tests.conftest import RunScript

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the standard library's own server is used"
)

GUARD = 60.0
"""Seconds after which something hangs; generous, as the machine may be busy."""


def _eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + GUARD
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


# ---- what a child finds -----------------------------------------------------------------


def test_the_main_module_is_imported_once_for_all_children(run_script: RunScript) -> None:
    """What it prints at its import is printed by the parent, and once by the server."""
    outcome = run_script(
        """
        import procession

        print("imported as", __name__, flush=True)

        def where():
            print("run in", __name__, flush=True)

        if __name__ == "__main__":
            for _ in range(3):
                process = procession.get_context("forkserver").Process(target=where)
                process.start()
                process.join()
        """
    )
    lines = outcome.stdout.splitlines()
    assert lines == ["imported as __main__", "imported as __mp_main__", *["run in __mp_main__"] * 3]


def test_a_main_module_that_is_run_by_name_is_imported_once(tmp_path: Path) -> None:
    """``python -m program``: the same."""
    (tmp_path / "program.py").write_text(
        dedent(
            """
            import procession

            print("imported as", __name__, flush=True)

            def where():
                print("run in", __name__, flush=True)

            if __name__ == "__main__":
                for _ in range(2):
                    process = procession.get_context("forkserver").Process(target=where)
                    process.start()
                    process.join()
            """
        )
    )
    outcome = subprocess.run(
        [sys.executable, "-m", "program"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=GUARD,
        check=True,
    )
    assert outcome.stdout.splitlines() == [
        "imported as __main__",
        "imported as __mp_main__",
        *["run in __mp_main__"] * 2,
    ]


def test_without_main_in_the_preload_each_child_imports_it(run_script: RunScript) -> None:
    """``set_forkserver_preload([])`` asks for a server that leaves the main module alone."""
    outcome = run_script(
        """
        import procession

        print("imported as", __name__, flush=True)

        if __name__ == "__main__":
            procession.set_forkserver_preload([])
            for _ in range(2):
                process = procession.get_context("forkserver").Process(target=int)
                process.start()
                process.join()
        """
    )
    assert outcome.stdout.count("imported as __mp_main__") == 2


def test_preloaded_modules_are_there_and_a_missing_one_does_no_harm(run_script: RunScript) -> None:
    """A module of ``set_forkserver_preload`` was imported by the server, not by the child."""
    outcome = run_script(
        """
        import os, sys
        from pathlib import Path
        import procession

        def look():
            import slow
            print(slow.pid == os.getppid(), flush=True)

        if __name__ == "__main__":
            Path("slow.py").write_text("import os; pid = os.getpid()")
            Path("broken.py").write_text("1 / 0")
            procession.set_forkserver_preload(["no_such_module", "broken", "slow", "__main__"])
            process = procession.get_context("forkserver").Process(target=look)
            process.start()
            process.join()
        """
    )
    assert outcome.stdout.split() == ["True"]
    assert outcome.stderr == ""


def test_a_child_finds_what_its_parent_has_at_that_moment(run_script: RunScript) -> None:
    """Environment, folder, path, arguments, umask, signal mask, time zone, output: not old ones."""
    outcome = run_script(
        """
        import os, signal, sys, time
        import procession

        def tell():
            umask = os.umask(0)
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            print(os.environ.get("NEW"), os.environ.get("OLD"), os.getcwd(), sys.path[0],
                  sys.argv[1:], oct(umask), signal.SIGUSR2 in mask, signal.SIGINT in mask,
                  time.timezone, os.popen("echo $NEW").read().strip(), flush=True)

        def start():
            process = procession.get_context("forkserver").Process(target=tell)
            process.start()
            process.join()

        if __name__ == "__main__":
            start()
            os.environ["NEW"] = "new"
            os.environ["TZ"] = "XYZ-2"
            del os.environ["OLD"]
            os.mkdir("below")
            os.chdir("below")
            sys.path.insert(0, "/nowhere")
            sys.argv[1:] = ["changed"]
            os.umask(0o027)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
            with open("output", "w") as file:
                before = os.dup(1)
                os.dup2(file.fileno(), 1)
                start()
                os.dup2(before, 1)
            print(open("output").read(), end="")
        """,
        "given",
        env={**os.environ, "OLD": "old", "TZ": "UTC"},
    )
    first, second = outcome.stdout.splitlines()
    folder = Path(first.split()[2])
    first_entry = first.split()[3]
    assert first == f"None old {folder} {first_entry} ['given'] 0o22 False False 0 "
    assert second == f"new None {folder / 'below'} /nowhere ['changed'] 0o27 True False -7200 new"


def test_the_authentication_key_is_the_parents_of_that_moment(run_script: RunScript) -> None:
    """A child has the key that its parent has, also one that was set after the server began."""
    outcome = run_script(
        """
        import procession

        def tell():
            print(bytes(procession.current_process().authkey) == b"other", flush=True)

        if __name__ == "__main__":
            for key in (b"first", b"other"):
                procession.current_process().authkey = key
                process = procession.get_context("forkserver").Process(target=tell)
                process.start()
                process.join()
        """
    )
    assert outcome.stdout.split() == ["False", "True"]


def test_a_main_module_that_changed_is_imported_anew(run_script: RunScript) -> None:
    """Once its file is another, children import that, as under the standard library's server."""
    outcome = run_script(
        """
        import procession
        from pathlib import Path

        VERSION = 1

        def tell():
            print(VERSION, flush=True)

        if __name__ == "__main__":
            context = procession.get_context("forkserver")
            for version in (1, 2):
                source = Path(__file__).read_text()
                if version == 2:
                    Path(__file__).write_text(source.replace("VERSION = 1", "VERSION = 2 "))
                process = context.Process(target=tell)
                process.start()
                process.join()
        """
    )
    assert outcome.stdout.split() == ["1", "2"]


def test_numpy_in_the_main_module_is_imported_once(run_script: RunScript) -> None:
    """The server has it; the children share it."""
    pytest.importorskip("numpy")
    outcome = run_script(
        """
        import os
        import numpy as np
        import procession

        IMPORTED_BY = os.getpid()

        def tell():
            print(IMPORTED_BY == os.getppid(), flush=True)

        if __name__ == "__main__":
            for _ in range(3):
                process = procession.get_context("forkserver").Process(target=tell)
                process.start()
                process.join()
        """
    )
    assert outcome.stdout.split() == ["True"] * 3


DRAWS = """
import random
from numpy import random as np_random
import procession

{at_import}

def tell():
    print(random.random(), flush=True)
    print(np_random.random(), flush=True)

if __name__ == "__main__":
    for _ in range(2):
        process = procession.get_context("forkserver").Process(target=tell)
        process.start()
        process.join()
"""


@pytest.mark.parametrize(
    "at_import", ["", "random.random(); np_random.random()", "random.randbytes(9000)"]
)
def test_children_draw_different_random_numbers(run_script: RunScript, at_import: str) -> None:
    """Generators that nobody seeded go their own way in each child, though imported once."""
    pytest.importorskip("numpy")
    first, first_np, second, second_np = run_script(
        DRAWS.format(at_import=at_import)
    ).stdout.split()
    assert first != second
    assert first_np != second_np


def test_a_seed_that_the_main_module_sets_holds_in_children(run_script: RunScript) -> None:
    """A program that seeds at its import gets the same numbers in each child."""
    pytest.importorskip("numpy")
    outcome = run_script(DRAWS.format(at_import="random.seed(7); np_random.seed(7)"))
    first, first_np, second, second_np = outcome.stdout.split()
    assert first == second
    assert first_np == second_np


def test_the_main_module_is_the_parents_and_nothing_else(run_script: RunScript) -> None:
    """A child without a main module to import finds an empty one, not what started the server."""
    outcome = run_script(
        """
        import subprocess, sys
        subprocess.run([sys.executable, "-c", '''
        import procession
        process = procession.get_context("forkserver").Process(
            target=exec,
            args=("import __main__; print([n for n in vars(__main__) if n[:2] != '__'])",),
        )
        process.start()
        process.join()
        '''.replace("\\n        ", "\\n")], check=True)
        """
    )
    assert outcome.stdout.strip() == "[]"


# ---- main modules that cannot be imported beforehand ------------------------------------


def test_an_error_of_the_main_module_is_the_childs(run_script: RunScript) -> None:
    """A main module that fails at its import harms nobody but the child, which reports it."""
    outcome = run_script(
        """
        import procession

        if __name__ != "__main__":
            raise LookupError("not importable")

        def never():
            pass

        process = procession.get_context("forkserver").Process(target=never)
        process.start()
        process.join()
        print(process.exitcode)
        """
    )
    assert outcome.stdout.strip() == "1"
    assert outcome.stderr.count("LookupError: not importable") == 1


def test_a_script_without_a_guard_comes_to_its_end(run_script: RunScript) -> None:
    """No fork bomb, no hang."""
    outcome = run_script(
        """
        import procession

        process = procession.get_context("forkserver").Process(target=int)
        process.start()
        process.join()
        """,
        check=False,
    )
    assert outcome.returncode == 0


def test_a_main_module_that_ends_the_process_at_its_import(run_script: RunScript) -> None:
    """A server that is ended by the import is replaced by one that does without."""
    outcome = run_script(
        """
        import os
        import procession

        if __name__ != "__main__":
            os._exit(3)

        for _ in range(2):
            process = procession.get_context("forkserver").Process(target=int)
            process.start()
            process.join()
            print(process.exitcode)
        """
    )
    assert outcome.stdout.split() == ["3", "3"]


def test_a_main_module_that_starts_threads_is_not_forked(run_script: RunScript) -> None:
    """Each child then has its own thread, alive, as if there were no preloading."""
    outcome = run_script(
        """
        import os, threading
        import procession

        stop = threading.Event()
        thread = threading.Thread(target=stop.wait, daemon=True)
        thread.start()
        IMPORTED_BY = os.getpid()

        def tell():
            print(thread.is_alive(), IMPORTED_BY == os.getpid(), flush=True)

        if __name__ == "__main__":
            for _ in range(2):
                process = procession.get_context("forkserver").Process(target=tell)
                process.start()
                process.join()
        """
    )
    assert outcome.stdout.splitlines() == ["True True"] * 2


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


# ---- ends -------------------------------------------------------------------------------


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
    process.join(GUARD)
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
    process.join(GUARD)
    assert process.exitcode == 5
    assert _server_pid() != server
    assert survivor.is_alive()
    ours.send("end")
    survivor.join(GUARD)
    assert survivor.exitcode == 0
    ours.close()


def test_ctrl_c_does_not_end_the_server(context: Any) -> None:
    """SIGINT goes to the whole group of a terminal; the server is deaf to it, children are not."""
    server = _server_pid()
    os.kill(server, signal.SIGINT)
    process = context.Process(target=signal.pause)
    process.start()
    process.interrupt()
    process.join(GUARD)
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
        process.join(GUARD)
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
            process.join(GUARD)
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
    process.join(GUARD)
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
