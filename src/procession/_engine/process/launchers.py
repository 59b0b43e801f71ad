"""How a process is launched under each start method, and followed to its end.

A launcher (``Popen``) starts the child, waits for it and signals it.  We subclass them to

- send a ``Departure`` in place of the process, and read the child's report at its end;
- make the sentinel a pidfd where the system has it: ready when the child has ended, and not
  only when the last grandchild that inherited a pipe has (so ``join(timeout)`` returns in time);
- start the interpreter of a spawned child with an entry of ours, which imports less;
- let threads wait for one child together: one of them collects the exit code, all see it.
"""

from __future__ import annotations

import contextlib
import io
import marshal
import os
import signal
import sys
import threading
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, ClassVar

from procession._engine.config import explain
from procession._engine.lifecycle import close_with
from procession._engine.process.departure import Departure, Luggage
from procession._engine.process.lifeline import LIFELINE
from procession._engine.process.report import Report

WITHOUT_WAITING: int = getattr(os, "WNOHANG", 1)
"""The flag of ``poll``; Windows, whose launcher is not ours, does not define it."""

DESCRIPTORS_OF_A_LAUNCH = 6
"""As many as the standard library's launchers have open at once: two pipes, and some to spare."""

UNKNOWN_EXIT_CODE = 255
"""The exit code of a child whose status somebody else took; the standard library's choice too."""


if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.popen_fork import Popen as _Base
    from multiprocessing.process import BaseProcess
else:
    _Base = object


class Launcher(_Base):
    """What our launchers add; stands before the standard library's class."""

    sentinel: int
    _report: Report
    _is_our_child = True
    """Whether the system tells us of its end, as it tells the parent."""

    def __init__(self, process_obj: BaseProcess) -> None:
        self._parent_pid = os.getpid()
        self._collecting = threading.Lock()
        self._report = Report()
        lifeline_fd = LIFELINE.share()
        try:
            _check_room(lifeline_fd)
            luggage = Luggage(self._report.file, lifeline_fd)
            super().__init__(Departure(process_obj, luggage))  # type: ignore[arg-type]
            explain("started %s, pid %d, by %s", process_obj.name, self.pid, self.method)
        except BaseException:
            self._report.close()
            raise
        finally:
            os.close(lifeline_fd)

    @property
    def exception(self) -> BaseException | None:
        """The exception that ended the child; None while it runs, and after a good end."""
        return None if self.poll() is None else self._report.exception

    def poll(self, flag: int = WITHOUT_WAITING) -> int | None:
        """Return the exit code, or None while the child runs; ``flag=0`` waits for it."""
        if os.getpid() != self._parent_pid:
            return self.returncode  # a fork's copy of the object: not its child
        with self._collecting:
            known = self.returncode is not None
            code = self._poll(flag)
            if code is not None:
                self._report.collect()
                if not known:
                    explain("the process with pid %d has ended: exit code %d", self.pid, code)
            return code

    def _poll(self, flag: int) -> int | None:
        code = super().poll(flag)
        if code is None and self._lost_its_status():
            code = self.returncode = UNKNOWN_EXIT_CODE
        return code

    def _lost_its_status(self) -> bool:
        """Whether it has ended and somebody else was told.

        By ``os.wait()`` in the program, or by nobody, where SIGCHLD is ignored.
        """
        if not self._is_our_child or not hasattr(os, "waitid"):
            return False
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        return False

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end, at most ``timeout`` seconds; return the exit code or None."""
        if self.returncode is None and not connection.wait([self.sentinel], timeout):
            return None
        return self.poll(0)

    def interrupt(self) -> None:
        """Send SIGINT, unless the child has ended."""
        self._send_signal(signal.SIGINT)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Give back the descriptors."""
        super().close()
        self._report.close()

    def _follow_by_pidfd(self) -> None:
        """Put a pidfd in the place of the sentinel's pipe, under the same number."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            return
        try:
            os.dup2(pidfd, self.sentinel, inheritable=False)
        finally:
            os.close(pidfd)


def _check_room(fd: int) -> None:
    """Raise OSError where a launcher would run out of descriptors half-way, and leave some open."""
    copies: list[int] = []
    try:
        while len(copies) < DESCRIPTORS_OF_A_LAUNCH:
            copies.append(os.dup(fd))
    finally:
        for copy in copies:
            os.close(copy)


LAUNCHERS: dict[str, Callable[[Any], Any]] = {}
"""Start method -> launcher; holds the methods that this system has."""

if sys.platform == "win32":
    from multiprocessing.popen_spawn_win32 import Popen

    LAUNCHERS["spawn"] = Popen
else:
    from multiprocessing import (
        context,
        popen_fork,
        popen_spawn_posix,
        reduction,
        resource_tracker,
        spawn,
        util,
    )

    from procession._engine.process import arrival
    from procession._engine.process.child import InheritedFd

    class ForkPopen(Launcher, popen_fork.Popen):
        """Launch by fork."""

        def __init__(self, process_obj: BaseProcess) -> None:
            super().__init__(process_obj)
            self._follow_by_pidfd()

    class SpawnPopen(Launcher, popen_spawn_posix.Popen):
        """Launch by starting a new interpreter."""

        def __init__(self, process_obj: BaseProcess) -> None:
            self._given: set[int] = set()
            self._copies: list[int] = []
            try:
                super().__init__(process_obj)
            finally:
                for fd in self._copies:
                    os.close(fd)
            self._follow_by_pidfd()

        DupFd: ClassVar[Any] = InheritedFd
        _fds: list[int]

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
                    self.pid = util.spawnv_passfds(executable, line, self._fds)
                finally:
                    os.close(data)
                    os.close(ended)
                _write(stream, payload.getbuffer())

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

    LAUNCHERS.update(fork=ForkPopen, spawn=SpawnPopen)

    if reduction.HAVE_SEND_HANDLE:

        def _launch_by_server(process_obj: BaseProcess) -> Any:
            # Every child imports this module, and few of them start a child by a server.
            from procession._engine.process.server_launcher import ServerPopen  # noqa: PLC0415

            return ServerPopen(process_obj)

        LAUNCHERS["forkserver"] = _launch_by_server
