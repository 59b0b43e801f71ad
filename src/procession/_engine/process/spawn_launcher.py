"""How a process is launched in a new interpreter: by an entry of ours, which imports less."""

from __future__ import annotations

import contextlib
import io
import marshal
import os
import sys
from multiprocessing import context, popen_spawn_posix, reduction, resource_tracker, spawn, util

from procession._engine.lifecycle import close_with
from procession._engine.process import arrival
from procession._engine.process.child import InheritedFd
from procession._engine.process.launcher import HAS_PIDFD, Launcher, open_pidfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from typing import Any, ClassVar


class SpawnPopen(Launcher, popen_spawn_posix.Popen):
    """Launch by starting a new interpreter."""

    DupFd: ClassVar[Any] = InheritedFd
    _fds: list[int]

    def __init__(self, process_obj: BaseProcess) -> None:
        self._given: set[int] = set()
        self._copies: list[int] = []
        try:
            super().__init__(process_obj)
        finally:
            for fd in self._copies:
                os.close(fd)
        if HAS_PIDFD:
            self._follow_by_pidfd()

    def duplicate_for_child(self, fd: int) -> int:
        """Promise the descriptor to the child; return its number there.

        Two objects may share a descriptor here, as both ends of a pipe do.  Each gets its
        own in the child, where either may be closed, and a number is handed on only once.
        """
        if fd in self._given:
            fd = os.dup(fd)
            self._copies.append(fd)
        self._given.add(fd)
        return super().duplicate_for_child(fd)

    def _launch(self, process_obj: Any) -> None:
        tracker: int = resource_tracker.getfd()  # type: ignore[assignment]
        self._fds.append(tracker)
        preparation = spawn.get_preparation_data(process_obj._name)  # noqa: SLF001
        payload = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            if not getattr(sys, "frozen", False):
                path = [entry for entry in preparation["sys_path"] if isinstance(entry, str)]
                marshal.dump(path, payload)
            reduction.dump(preparation, payload)
            reduction.dump(process_obj, payload)
        finally:
            context.set_spawning_popen(None)
        self.sentinel, ended = os.pipe()
        self.finalizer = close_with(self, self.sentinel)
        try:
            data, data_of_parent = os.pipe()
        except OSError:
            os.close(ended)
            raise
        with os.fdopen(data_of_parent, "wb", buffering=0) as stream:
            try:
                self._fds += (data, ended)
                line = _command_line(data, tracker)
                executable: Any = spawn.get_executable()

                def execute() -> None:
                    self.pid = util.spawnv_passfds(executable, line, self._fds)

                self._begin(execute)
            finally:
                os.close(data)
                os.close(ended)
            _write(stream, payload.getbuffer())

    def _follow_by_pidfd(self) -> None:
        """Put a pidfd in the place of the sentinel's pipe, under the same number."""
        pidfd = open_pidfd(self.pid)
        try:
            os.dup2(pidfd, self.sentinel, inheritable=False)
        finally:
            os.close(pidfd)


def _command_line(data: int, tracker: int) -> list[Any]:
    """Return the command of a spawned child, given the descriptors that it needs."""
    line: list[Any] = spawn.get_command_line(pipe_handle=data, tracker_fd=tracker)
    if not getattr(sys, "frozen", False):
        # The word at the end is how others tell such a child.
        line[-2] = arrival.command(data, tracker)
    return line


def _write(stream: Any, payload: memoryview) -> None:
    """Write all of it; a child that was killed meanwhile is no error, its exit code tells."""
    with contextlib.suppress(BrokenPipeError):
        while payload:
            payload = payload[stream.write(payload) :]
