"""How a process is launched by fork.

Where the system has pidfds, a launch makes none of the standard launcher's pipes: the pidfd tells
the end of the child, and the lifeline that of the parent.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from multiprocessing import popen_fork, util

from procession._engine.lifecycle import OwnFd
from procession._engine.process.deafness import run_deaf
from procession._engine.process.launcher import HAS_PIDFD, Launcher, open_pidfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


ATEXIT_RUNS_IN_CHILDREN = sys.version_info >= (3, 13)


class ForkPopen(Launcher, popen_fork.Popen):
    """Launch by fork."""

    finalizer: Any

    _checks_room = not HAS_PIDFD

    def _launch(self, process_obj: Any) -> None:
        if not HAS_PIDFD:
            self._begin(partial(super()._launch, process_obj))  # type: ignore[misc]
            return
        os.close(os.dup(process_obj.lifeline_fd))  # is there room for the pidfd?
        if self._begins_deaf:
            run_deaf(partial(self._fork, process_obj))
        else:
            self.pid = os.fork()
            if self.pid == 0:
                _become(process_obj)
        try:
            self.sentinel = open_pidfd(self.pid)
        except OSError:
            # No room: a start that fails leaves nothing behind.
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise
        self.finalizer = OwnFd(self.sentinel)

    def _fork(self, process_obj: Any) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            _become(process_obj)


def _become(departure: Any) -> NoReturn:
    """In the child: run the process, and end without what the parent does at its end."""
    code = 1
    try:
        if ATEXIT_RUNS_IN_CHILDREN:  # as of this version, children run what they registered
            import atexit  # noqa: PLC0415  # is there since the start of the interpreter

            atexit._clear()  # noqa: SLF001
            atexit.register(util._exit_function)  # type: ignore[attr-defined]  # noqa: SLF001
            try:
                code = departure._bootstrap()  # noqa: SLF001
            finally:
                atexit._run_exitfuncs()  # noqa: SLF001
        else:
            code = departure._bootstrap()  # noqa: SLF001
    finally:
        os._exit(code)
