"""How a process is launched by fork.

Where the system has pidfds, a launch makes none of the standard launcher's pipes: a pidfd tells
the end of the child, another that of the parent.  (A daemonic child has the lifeline instead,
which ends it.)  And it does with few functions, classes and objects, see ``launcher.py``; what a
child would find out, its parent finds out before.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from multiprocessing import popen_fork, util
from threading import Lock

from procession._engine.config import explain
from procession._engine.ipc.inheritance import REGISTER, weaken_unreachable
from procession._engine.process.child import bind_to_parent
from procession._engine.process.deafness import run_deaf
from procession._engine.process.departure import before_start
from procession._engine.process.executor import EXECUTOR
from procession._engine.process.fork_rehearsal import REHEARSED, rehearse
from procession._engine.process.launcher import (
    EXPLAINS,
    HAS_PIDFD,
    Launcher,
    closed_pipe,
    lifeline,
)
from procession._engine.process.reporting import Report
from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["LAUNCHER"]

ATEXIT_RUNS_IN_CHILDREN = sys.version_info >= (3, 13)


class ForkPopen(Launcher, popen_fork.Popen):
    """Launch by fork, where there are pidfds."""

    _has_pidfd = False

    def __init__(self, process_obj: Any) -> None:
        util._flush_std_streams()  # type: ignore[attr-defined]  # noqa: SLF001
        self.returncode = None
        self._parent_pid = os.getpid()
        self._collecting = Lock()
        self._report = Report()
        if type(process_obj) not in REHEARSED:
            rehearse(process_obj, self._report)
        try:
            # The property is a function more; what a class puts in its place does not write here.
            is_daemon = process_obj._config.get("daemon")  # noqa: SLF001
            parent_fd = lifeline().share() if is_daemon else os.pidfd_open(self._parent_pid)
            try:
                if getattr(process_obj, "begins_deaf", False):
                    run_deaf(partial(self._fork, process_obj, parent_fd, is_daemon))
                else:
                    self._fork(process_obj, parent_fd, is_daemon)
            finally:
                os.close(parent_fd)
            try:
                self.sentinel = os.pidfd_open(self.pid)  # there was room for the other
            except ProcessLookupError:
                self.sentinel = closed_pipe()
            except OSError:
                # No room any more: a start that fails leaves nothing behind.
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise
        except BaseException:
            self._report.close()
            raise
        self._has_pidfd = True
        if EXPLAINS:
            explain("started %s, pid %d, by %s", process_obj.name, self.pid, self.method)

    def _fork(self, process: Any, parent_fd: int, is_daemon: bool) -> None:
        # Two short looks, which save nearly every start some functions.
        is_growing = getattr(sys.modules.get("__main__"), "__file__", None) is None
        if is_growing or EXECUTOR in sys.modules:
            before_start()
        self.pid = os.fork()
        if self.pid:
            return
        code = 1
        try:
            if is_growing:
                MAIN.be_forked()
            if REGISTER:
                weaken_unreachable(process)
            if is_daemon:
                bind_to_parent(process, parent_fd)
            self._report.watch(process)
            if ATEXIT_RUNS_IN_CHILDREN:
                code = _bootstrap(process, parent_fd)
            else:
                code = process._bootstrap(parent_fd)  # noqa: SLF001
        finally:
            os._exit(code)

    def close(self) -> None:
        """Give back the descriptors, once, and where they were made."""
        if self._has_pidfd and os.getpid() == self._parent_pid:
            self._has_pidfd = False
            os.close(self.sentinel)
            self._report.close()

    __del__ = close


def _bootstrap(process: Any, parent_fd: int) -> int:
    """Be the process, and at its end run what it has registered with ``atexit``."""
    import atexit  # noqa: PLC0415  # is there since the start of the interpreter

    atexit._clear()  # noqa: SLF001
    atexit.register(util._exit_function)  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        code: int = process._bootstrap(parent_fd)  # noqa: SLF001
        return code
    finally:
        atexit._run_exitfuncs()  # noqa: SLF001


class ForkPopenWithPipes(Launcher, popen_fork.Popen):
    """Launch by fork, in the standard library's way."""

    def _launch(self, process_obj: Any) -> None:
        self._begin(partial(super()._launch, process_obj))  # type: ignore[misc]


LAUNCHER: type[Launcher] = ForkPopen if HAS_PIDFD else ForkPopenWithPipes
"""The launcher of this system."""
