"""Both ends of the report of a child to its parent, as far as they are there at each start.

The parent makes an anonymous file before the start, the child gets its descriptor.  A child that
succeeds never touches it; one that fails writes into it what ended it.  A file cannot fill up as a
pipe does, so the child never waits for a reader, and the parent reads and closes it when it
notices the end of the child.  Few children fail: what writes and reads (``report.py``) is
imported then.
"""

from __future__ import annotations

import os
import sys

from procession._engine.lifecycle import file_identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess
    from types import TracebackType
    from typing import Any


class ReportFile:
    """The file, as parent and child each know it.

    The identity is taken when the descriptor is fresh.  A program that closes all descriptors
    and opens its own under the same number must not find a report in its file.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._identity = file_identity(fd)
        self._watched: Any = None

    def is_ours(self) -> bool:
        """Whether the number still means this file.  Raises OSError where it means none."""
        return file_identity(self.fd) == self._identity

    def has_report(self) -> bool:
        """Whether it is this file, and something has been written."""
        try:
            return bool(os.fstat(self.fd).st_size) and self.is_ours()
        except OSError:
            return False

    def watch(self, process: BaseProcess) -> None:
        """In the child: have an exception that leaves ``process.run()`` reported.

        ``run`` is wrapped on this one object, as it may be overridden in any class, and only
        until it is called, so that the program's own code sees its object unchanged.
        """
        state = process.__dict__
        self._watched = state, process.run, "run" in state
        state["run"] = self._run_and_report

    def _run_and_report(self) -> None:
        state, run, is_own = self._watched
        self._watched = None
        if is_own:
            state["run"] = run
        else:
            del state["run"]
        try:
            run()
        except SystemExit:
            raise
        except BaseException as error:
            write(self, error)
            raise


class Report(ReportFile):
    """The parent's end: the file, and what was read from it at the end.

    Few functions, and no other object: a fork lies between its making and its end, and whatever
    is touched in between is a page that is copied.
    """

    def __init__(self) -> None:
        self._owner = 0
        self._watched = None
        try:
            self.fd = os.memfd_create("procession-report")
        except AttributeError:
            self.fd = anonymous_file()
        self._owner = os.getpid()
        self._identity = os.fstat(self.fd)[1:3]  # ``file_identity``, without a call
        self.exception: BaseException | None = None

    @property
    def file(self) -> ReportFile:
        """What the child gets."""
        return self

    def collect(self) -> None:
        """Read what the child left, and close the file.  Does nothing the second time."""
        if self._owner and self.has_report():
            from procession._engine.process import report  # noqa: PLC0415  # see above

            self.exception = report.read(self.fd)
        self.close()

    def close(self) -> None:
        """Give the file back, once, and where it was made: a fork of the owner has it still."""
        if self._owner:
            owner, self._owner = self._owner, 0
            try:
                # ``is_ours``, without a call: the number may mean another file by now.
                if owner == os.getpid() and os.fstat(self.fd)[1:3] == self._identity:
                    os.close(self.fd)
            except OSError:  # closed already, and ``join`` is not to fail for that
                pass

    __del__ = close


def anonymous_file() -> int:
    """Return a descriptor of a file that has no name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("procession-report", os.MFD_CLOEXEC)
    import tempfile  # noqa: PLC0415  # elsewhere than on Linux only

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def write(file: ReportFile, error: BaseException) -> None:
    """In the child: leave this exception for the parent.  Never raises."""
    try:
        from procession._engine.process import report  # noqa: PLC0415  # few children fail
    except Exception:  # noqa: BLE001  # no room for one more descriptor: there is no report then
        return
    report.write(file, error)


def watch_arrival(file: ReportFile) -> Callable[[], None]:
    """In the child: have an exception reported that keeps it from becoming the process.

    A target that cannot be unpickled ends the interpreter before ``run``.  Returns the
    call that ends the watch.
    """
    previous: Callable[..., Any] = sys.excepthook

    def report_and_pass_on(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        write(file, error)
        previous(kind, error, trace)

    def stop() -> None:
        if sys.excepthook is report_and_pass_on:
            sys.excepthook = previous

    sys.excepthook = report_and_pass_on
    return stop
