"""Whole programs with a pool: Ctrl-C, the end of the interpreter, the death of the parent."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import RunScript
from tests.waiting import HANG_GUARD_SECONDS

BUSY = """
    import sys, time
    import procession
    from procession._engine.pool.board import STARTING

    def work(seconds):
        time.sleep(seconds)

    if __name__ == "__main__":
        pool = procession.get_context(sys.argv[1]).Pool(2)
        board = pool._engine.crew.board
        while STARTING in (board.place(0), board.place(1)):
            time.sleep(0.01)
        print(*(process.pid for process in pool._pool), flush=True)
        {action}
"""


@pytest.fixture(params=multiprocessing.get_all_start_methods())
def method(request: pytest.FixtureRequest) -> str:
    """Each start method of this system in turn."""
    return str(request.param)


class Program:
    """A program that runs; its first line of output are the pids of its workers."""

    def __init__(self, folder: Path, action: str, method: str) -> None:
        script = folder / "busy.py"
        script.write_text(dedent(BUSY).format(action=action))
        self.process = subprocess.Popen(
            [sys.executable, str(script), method],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.workers = [int(pid) for pid in self.process.stdout.readline().split()]

    def wait_for_workers_to_end(self) -> None:
        """Every worker must be gone soon."""
        deadline = time.monotonic() + HANG_GUARD_SECONDS
        while any(is_running(pid) for pid in self.workers):
            assert time.monotonic() < deadline, "workers outlive their parent"
            time.sleep(0.01)


def reports_in(errors: str) -> int:
    """How many exceptions were reported; those that one was raised from are parts of its report."""
    chained = (
        "\nDuring handling of the above exception, another exception occurred:\n",
        "\nThe above exception was the direct cause of the following exception:\n",
    )
    return errors.count("Traceback (most recent") - sum(errors.count(link) for link in chained)


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """Programs to be ended with the test, whatever happens."""
    started: list[Program] = []
    yield started
    for program in started:
        with suppress(ProcessLookupError):
            os.killpg(program.process.pid, signal.SIGKILL)
        program.process.communicate(timeout=HANG_GUARD_SECONDS)


@pytest.mark.parametrize(
    "action",
    ["time.sleep(600)", "pool.map(work, [600] * 4)", "pool.map_async(work, [600] * 4).get()"],
)
def test_workers_end_with_a_killed_parent(
    programs: list[Program], tmp_path: Path, action: str, method: str
) -> None:
    """SIGKILL to the parent: idle and busy workers end."""
    program = Program(tmp_path, action, method)
    programs.append(program)
    assert len(program.workers) == 2
    program.process.kill()

    program.wait_for_workers_to_end()


@pytest.mark.parametrize("action", ["pool.map(work, [600] * 4)", "pool.apply(work, (600,))"])
def test_ctrl_c_ends_the_program(
    programs: list[Program], tmp_path: Path, action: str, method: str
) -> None:
    """SIGINT to the whole group, as a terminal sends it: KeyboardInterrupt, and no child left."""
    program = Program(tmp_path, action, method)
    programs.append(program)
    assert len(program.workers) == 2
    os.killpg(program.process.pid, signal.SIGINT)
    _, errors = program.process.communicate(timeout=HANG_GUARD_SECONDS)

    program.wait_for_workers_to_end()
    assert "KeyboardInterrupt" in errors
    assert reports_in(errors) == 1, errors


def test_pool_goes_on_after_an_interrupted_call(run_script: RunScript) -> None:
    """A KeyboardInterrupt that the program catches costs only the call that it interrupted."""
    outcome = run_script(
        """
        import os, signal, threading, time
        import procession

        def work(value):
            time.sleep(0.001)
            return value

        if __name__ == "__main__":
            with procession.get_context("fork").Pool(2) as pool:
                for _ in range(20):
                    timer = threading.Timer(0.03, os.kill, (os.getpid(), signal.SIGINT))
                    timer.start()
                    try:
                        while True:
                            pool.map(work, range(50))
                    except KeyboardInterrupt:
                        pass
                    timer.join()
                    assert pool.map(work, range(50)) == list(range(50))
                assert list(pool.imap(work, range(50))) == list(range(50))
                pool.close()
                pool.join()
            print("done")
        """
    )

    assert outcome.stdout.strip() == "done"


@pytest.mark.parametrize(
    "ending", ["", "pool.close()", "pool.terminate()", "del pool", "result = pool.imap(work, [1])"]
)
def test_interpreter_ends_with_a_pool(run_script: RunScript, ending: str, method: str) -> None:
    """However the pool was left, the program ends and leaves nothing."""
    outcome = run_script(
        f"""
        import time
        import procession

        def work(value):
            return value

        if __name__ == "__main__":
            pool = procession.get_context({method!r}).Pool(2)
            result = pool.map_async(work, range(100))
            print(sum(result.get()), flush=True)
            {ending}
        """
    )

    assert outcome.stdout.strip() == "4950"
    assert "Traceback" not in outcome.stderr


def test_default_pool_uses_the_cpus_allowed(run_script: RunScript) -> None:
    """One worker for each CPU that the process may use."""
    outcome = run_script(
        """
        import os
        import procession

        if __name__ == "__main__":
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            with procession.Pool() as pool:
                print(pool._processes)
        """
    )

    assert outcome.stdout.strip() == "1"


@pytest.mark.skipif(sys.platform == "win32", reason="limits are of POSIX")
def test_task_that_uses_up_all_descriptors_says_where(run_script: RunScript) -> None:
    """Its worker cannot open a file any more, and describes the failure even so."""
    outcome = run_script(
        """
        import os
        import resource
        import procession

        def use_up(_):
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            held = []
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))

        if __name__ == "__main__":
            with procession.get_context("spawn").Pool(1) as pool:
                try:
                    pool.map(use_up, [0])
                except OSError as error:
                    print(error.errno, "in use_up" in str(error.__cause__))
        """
    )
    assert outcome.stdout.split() == [str(errno.EMFILE), "True"]
