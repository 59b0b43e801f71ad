"""What every launcher of ours does: follow a child to its end, whatever started it.

A launcher (``Popen``) starts the child, waits for it and signals it.  We subclass the standard
library's to

- send a ``Departure`` in place of the process, and read the child's report at its end;
- make the sentinel a pidfd where the system has it: ready when the child has ended, and not
  only when the last grandchild that inherited a pipe has (so ``join(timeout)`` returns in time);
- let threads wait for one child together: one of them collects the exit code, all see it.

A fork copies what its parent has loaded, and each page that parent or child then writes to.  So
these modules import little, and do little between a fork and the wait for its end, in few
functions: each that runs is written to (its references are counted), and so is its code.
"""

from __future__ import annotations

import math
import os
import select
import signal
import threading

from procession._engine.config import debug, explain
from procession._engine.process.deafness import run_deaf
from procession._engine.process.departure import Departure
from procession._engine.process.reporting import Report

EXPLAINS = debug()
"""Asked once, and not at each start: every function that runs there is a page to be copied."""

WITHOUT_WAITING: int = getattr(os, "WNOHANG", 1)
"""The flag of ``poll``; Windows, whose launcher is not ours, does not define it."""

DESCRIPTORS_OF_A_LAUNCH = 6
"""As many as a launch may have open at once: two pipes, and some to spare."""

UNKNOWN_EXIT_CODE = 255
"""The exit code of a child whose status somebody else took; the standard library's choice too."""


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.popen_fork import Popen as _Base
    from multiprocessing.process import BaseProcess

    from procession._engine.process.lifeline import Lifeline
else:
    _Base = object

_LONGEST_POLL_SECONDS = 2_000_000


class Launcher(_Base):
    """What our launchers add; stands before the standard library's class."""

    sentinel: int
    _report: Report
    _is_our_child = True
    """Whether the system tells us of its end, as it tells the parent."""

    def __init__(self, process_obj: BaseProcess) -> None:
        self._parent_pid = os.getpid()
        self._collecting = threading.Lock()
        self._begins_deaf = getattr(process_obj, "begins_deaf", False)
        self._report = Report()
        lifeline_fd = lifeline().share()
        try:
            check_room(lifeline_fd)
            super().__init__(Departure(process_obj, self._report, lifeline_fd))  # type: ignore[arg-type]
            if EXPLAINS:
                explain("started %s, pid %d, by %s", process_obj.name, self.pid, self.method)
        except BaseException:
            self._report.close()
            raise
        finally:
            os.close(lifeline_fd)

    def _begin(self, start: Callable[[], None]) -> None:
        """Call what makes the child and keeps its pid."""
        if self._begins_deaf:
            run_deaf(start)
        else:
            start()

    @property
    def exception(self) -> BaseException | None:
        """The exception that ended the child; None while it runs, and after a good end."""
        if self.poll() is None:
            return None
        with self._collecting:  # another thread may be about to collect it
            self._report.collect()
            return self._report.exception

    def poll(self, flag: int = WITHOUT_WAITING) -> int | None:
        """Return the exit code, or None while the child runs; ``flag=0`` waits for it."""
        if self.returncode is not None or os.getpid() != self._parent_pid:
            return self.returncode  # in a fork's copy of the object: not its child
        with self._collecting:
            if self.returncode is not None:
                return self.returncode
            if not self._is_our_child:
                super().poll(flag)
            else:
                try:
                    pid, status = os.waitpid(self.pid, flag)
                    if pid:
                        self.returncode = os.waitstatus_to_exitcode(status)
                except ChildProcessError:
                    # Somebody else was told: ``os.wait()`` in the program, or nobody, where
                    # SIGCHLD is ignored.
                    self.returncode = UNKNOWN_EXIT_CODE
            code = self.returncode
            if code is None:
                return None
            if code:
                self._report.collect()
            else:
                self._report.close()
        if EXPLAINS:
            explain("the process with pid %d has ended: exit code %d", self.pid, code)
        return code

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end, at most ``timeout`` seconds; return the exit code or None."""
        if self.returncode is not None:
            return self.returncode
        if timeout is None and HAS_PIDFD and self._is_our_child:
            try:
                os.waitid(os.P_PIDFD, self.sentinel, os.WEXITED | os.WNOWAIT)
            except OSError:  # somebody else was told, see ``poll``, or closed the descriptor
                return self.poll(0)
        else:
            poller = select.poll()
            poller.register(self.sentinel, select.POLLIN)
            if not poller.poll(_milliseconds(timeout)):
                return None
        return self.poll(0)

    def interrupt(self) -> None:
        """Send SIGINT, unless the child has ended."""
        self._send_signal(signal.SIGINT)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Give back the descriptors."""
        super().close()
        self._report.close()


def _milliseconds(timeout: float | None) -> int | None:
    """For ``poll``, which knows no more than 24 days: more, infinity too, counts as for ever."""
    if timeout is None or timeout >= _LONGEST_POLL_SECONDS:
        return None
    return math.ceil(max(timeout, 0.0) * 1000)


def lifeline() -> Lifeline:
    """Return the one of this process; its hooks cost each fork pages, and not all need it."""
    from procession._engine.process.lifeline import LIFELINE  # noqa: PLC0415  # see above

    return LIFELINE


def open_pidfd(pid: int) -> int:
    """Return a descriptor that is ready when our child has ended.

    Raises OSError where there is no room for it.
    """
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return closed_pipe()


def closed_pipe() -> int:
    """Return what is as ready as the pidfd of a child that has ended, and of which others know."""
    ready, writer = os.pipe()
    os.close(writer)
    return ready


def _has_pidfd() -> bool:
    try:
        own = os.pidfd_open(os.getpid())
        try:
            os.waitid(os.P_PIDFD, own, os.WEXITED | os.WNOHANG)
        finally:
            os.close(own)
    except ChildProcessError:
        return True  # it is not our child
    except (AttributeError, OSError):
        pass
    return False


HAS_PIDFD = _has_pidfd()
"""Whether the system has them and waits for them; sandboxes may refuse what the kernel knows."""


def check_room(fd: int) -> None:
    """Raise OSError where a launcher would run out of descriptors half-way, and leave some open."""
    copies: list[int] = []
    try:
        while len(copies) < DESCRIPTORS_OF_A_LAUNCH:
            copies.append(os.dup(fd))
    finally:
        for copy in copies:
            os.close(copy)
