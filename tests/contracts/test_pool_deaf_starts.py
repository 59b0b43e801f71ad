"""Ctrl-C, many times, while the workers of a pool start: they come through, and hear it afterwards.

SIGINT reaches all processes of a terminal.  Here the program itself takes no notice of it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from tests.conftest import RunScript

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks"),
    pytest.mark.skipif(
        sys.platform != "linux", reason="elsewhere the fork server is the standard library's"
    ),
]

STORM = """
    import os, signal, subprocess, sys, time
    import procession
    from procession._engine.pool.board import STARTING

    def blow():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("begins", flush=True)
        while os.getppid() == int(sys.argv[2]):
            os.killpg(0, signal.SIGINT)
            time.sleep(0.0005)

    def wait_for(condition):
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def begin(pool):
        board = pool._engine.crew.board
        wait_for(lambda: all(board.place(slot) != STARTING for slot in range(3)))

    def main():
        signal.signal(signal.SIGINT, lambda *_: None)
        storm = subprocess.Popen(
            [sys.executable, __file__, "blow", str(os.getpid())], stdout=subprocess.PIPE
        )
        storm.stdout.readline()
        for _ in range(4):
            pool = procession.get_context(sys.argv[1]).Pool(3)
            first = pool._pool[0]
            started = {process.pid for process in pool._pool}
            begin(pool)
            os.kill(first.pid, signal.SIGKILL)
            wait_for(lambda: first.exitcode is not None)
            assert pool.stats().deaths == 0, "not yet looked for"
            pool.apply_async(abs, (1,))  # brings a supervisor, which replaces
            wait_for(lambda: pool._pool[0] is not first)
            started.add(pool._pool[0].pid)
            begin(pool)
            assert pool.stats().deaths == 1, pool.stats()
            assert {process.pid for process in pool._pool} <= started
            pool.terminate()
            pool.join()
        storm.kill()
        storm.wait()
        print("survived")

    if __name__ == "__main__":
        blow() if sys.argv[1] == "blow" else main()
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_start_under_a_storm_of_interrupts(run_script: RunScript, method: str) -> None:
    """No worker dies of it and none prints anything, the first ones and those that replace."""
    outcome = run_script(STORM, method)
    assert outcome.stderr == ""
    assert outcome.stdout == "survived\n"


def _hears_interrupts(_: Any = None) -> bool:
    return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _programs_hear_interrupts(_: Any) -> bool:
    blocked = "import signal; print(int(signal.SIGINT in signal.pthread_sigmask(0, ())))"
    with os.popen(f"{sys.executable} -S -c '{blocked}'") as answer:  # noqa: S605  # our own words
        return answer.read() == "0\n"


def _put_whether_it_hears(queue: Any) -> None:
    queue.put(_hears_interrupts())


def test_workers_and_their_programs_hear_interrupts(any_context: BaseContext) -> None:
    """What is blocked for the start is so no more when tasks run, nor in what they start."""
    with any_context.Pool(2) as pool:
        assert [True] * 4 == pool.map(_hears_interrupts, range(4), chunksize=1)
        assert pool.apply(_programs_hear_interrupts, (None,))
    assert _hears_interrupts()


def test_the_mask_of_the_maker_is_kept(any_context: BaseContext) -> None:
    """Who has SIGINT blocked has workers with SIGINT blocked, as with processes."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with any_context.Pool(1) as pool:
            assert not pool.apply(_hears_interrupts)
        assert not _hears_interrupts()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_process_hears_from_its_start(any_context: BaseContext) -> None:
    """A process of the program's own has the signal mask of its parent, beside a pool too."""
    queue = any_context.SimpleQueue()
    with any_context.Pool(1):
        process = any_context.Process(target=_put_whether_it_hears, args=(queue,))
        process.start()
        assert queue.get()
        process.join()
    queue.close()
