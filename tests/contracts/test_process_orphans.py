"""Who ends when a parent ends, however it ends: daemonic children do, the others stay."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import procession
from tests.conftest import RunScript
from tests.waiting import HANG_GUARD_SECONDS

PROGRAM = """
import os, sys, threading, time
import procession

def live(ready):
    ready.send(os.getpid())
    time.sleep(300)

def start(context, daemon, ready):
    process = context.Process(target=live, args=(ready,), daemon=daemon)
    process.start()
    return process

if __name__ == "__main__":
    method, where = sys.argv[1:]
    context = procession.get_context(method)
    import multiprocessing
    ours, childs = multiprocessing.Pipe(duplex=False)
    keep = []
    for daemon in (True, True, False):
        if where == "thread":
            thread = threading.Thread(target=lambda: keep.append(start(context, daemon, childs)))
            thread.start()
            thread.join()
        else:
            keep.append(start(context, daemon, childs))
        print(ours.recv(), flush=True)
    # A fork that nobody told of the children: it must not keep them alive.
    if os.fork() == 0:
        time.sleep(300)
        os._exit(0)
    print("ready", flush=True)
    {ending}
"""

ENDINGS = {
    "kill": "time.sleep(300)",
    "exit at once": "sys.stdin.readline(); os._exit(3)",
    "exec": "sys.stdin.readline(); os.execv(sys.executable, [sys.executable, '-c', ''])",
}


class Parent:
    """A program that has started three children: two daemonic, one not."""

    def __init__(self, folder: Path, method: str, where: str, ending: str) -> None:
        script = folder / "parent.py"
        script.write_text(dedent(PROGRAM).replace("{ending}", ENDINGS[ending]))
        self.ending = ending
        self.process = subprocess.Popen(
            [sys.executable, str(script), method, where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().strip() for _ in range(4)]
        assert lines.pop() == "ready"
        self.children = [os.pidfd_open(int(line)) for line in lines]

    def end(self) -> None:
        """End the program in the way that was chosen."""
        if self.ending == "kill":
            self.process.kill()
        else:
            assert self.process.stdin is not None
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        self.process.wait(HANG_GUARD_SECONDS)

    def clean_up(self) -> None:
        """End whatever the test left of the program's process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(HANG_GUARD_SECONDS)
        for pidfd in self.children:
            wait_for(pidfd, HANG_GUARD_SECONDS)
            os.close(pidfd)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()


def wait_for(pidfd: int, timeout: float) -> bool:
    """Whether the process of the descriptor ends within so many seconds."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


@pytest.fixture
def parent(request: Any, tmp_path: Path) -> Iterator[Parent]:
    """A parent as the test asks for, whose family is gone afterwards."""
    made = Parent(tmp_path, *request.param)
    yield made
    made.clean_up()


@pytest.mark.parametrize(
    "parent",
    [
        (method, where, ending)
        for method in procession.get_all_start_methods()
        for where, ending in (("main", "kill"), ("thread", "kill"), ("main", "exit at once"))
    ]
    + [("fork", "main", "exec")],
    indirect=True,
)
def test_daemonic_children_end_with_their_parent(parent: Parent) -> None:
    """When the parent is gone its daemonic children end, who had long to live; others stay."""
    first, second, stays = parent.children
    assert not wait_for(first, 0)
    parent.end()
    assert wait_for(first, HANG_GUARD_SECONDS)
    assert wait_for(second, HANG_GUARD_SECONDS)
    assert not wait_for(stays, 0.2)


def test_child_of_a_dead_parent_knows_it(run_script: RunScript) -> None:
    """``parent_process()`` is not alive after the parent, although a younger sibling lives."""
    outcome = run_script(
        """
        import os, sys, time
        import multiprocessing
        import procession

        def watch(ready, done):
            parent = procession.parent_process()
            ready.send(parent.is_alive())
            parent.join(60)
            done.send((parent.is_alive(), parent.pid))

        def linger(stay):
            stay.recv()

        def family(method, done, stay):
            context = procession.get_context(method)
            ours, childs = multiprocessing.Pipe(duplex=False)
            context.Process(target=watch, args=(childs, done)).start()
            context.Process(target=linger, args=(stay,)).start()
            done.send(ours.recv())
            done.send(os.getpid())
            os._exit(0)

        if __name__ == "__main__":
            for method in procession.get_all_start_methods():
                done, childs = multiprocessing.Pipe(duplex=False)
                stay, leave = multiprocessing.Pipe(duplex=False)
                process = procession.get_context(method).Process(
                    target=family, args=(method, childs, stay)
                )
                process.start()
                alive_before, pid = done.recv(), done.recv()
                process.join()
                alive_after, seen_pid = done.recv()
                leave.send("now")
                print(alive_before, alive_after, seen_pid == pid, flush=True)
        """
    )
    assert outcome.stdout.split() == ["True", "False", "True"] * len(
        procession.get_all_start_methods()
    )
