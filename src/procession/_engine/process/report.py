"""What a child that failed tells its parent: the exception, once, in full.

The parent makes an anonymous file before the start, the child gets its descriptor.  A
child that succeeds never touches it; one that fails writes the exception, its text and
its traceback, then, last, the length: a report that was cut off by a kill is no report.
A file cannot fill up as a pipe does, so the child never waits for a reader, and the
parent reads and closes it when it notices the end of the child.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import sys
from typing import TYPE_CHECKING, Any

from procession._engine.errors import RemoteError
from procession._engine.lifecycle import close_with, file_identity
from procession._engine.wire import pickler

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess
    from types import TracebackType

_HEADER = struct.Struct("<Q")


class ReportFile:
    """The file, as parent and child each know it.

    The identity is taken when the descriptor is fresh.  A program that closes all descriptors
    and opens its own under the same number must not find a report in its file.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._identity = file_identity(fd)

    def write(self, error: BaseException) -> None:
        """In the child: leave this exception for the parent.  Never raises."""
        with contextlib.suppress(Exception):
            payload = pickle.dumps(_describe(error))
            if file_identity(self.fd) != self._identity:
                return
            with open(self.fd, "wb", buffering=0, closefd=False) as file:
                file.seek(_HEADER.size)
                rest = memoryview(payload)
                while rest:
                    rest = rest[file.write(rest) :]
                file.seek(0)
                file.write(_HEADER.pack(len(payload)))

    def read(self) -> BaseException | None:
        """In the parent: what the child left.

        None where it left nothing, or not all of it before it was killed.
        """
        with contextlib.suppress(OSError):
            if file_identity(self.fd) == self._identity:
                return _read(self.fd)
        return None


class Report:
    """The parent's end: an anonymous file, and what was read from it at the end."""

    def __init__(self) -> None:
        fd = anonymous_file()
        self.exception: BaseException | None = None
        self._finalizer = close_with(self, fd)
        self._file = ReportFile(fd)

    @property
    def fd(self) -> int:
        """The descriptor that the child gets."""
        return self._file.fd

    def collect(self) -> None:
        """Read what the child left, and close the file.  Does nothing the second time."""
        if self._finalizer.still_active():
            self.exception = self._file.read()
            self.close()

    def close(self) -> None:
        """Give the file back."""
        self._finalizer()


def anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("procession-report", os.MFD_CLOEXEC)
    import tempfile  # noqa: PLC0415  # elsewhere than on Linux only

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _describe(error: BaseException) -> tuple[str, str, str, bytes | None]:
    """(type name, text, traceback text, the exception pickled, if it can be)."""
    import traceback  # noqa: PLC0415  # few children fail, and all import this module

    kind = type(error)
    lines = traceback.format_exception(kind, error, error.__traceback__)
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # the program's own code
        text = "<the exception's text cannot be had: its __str__ fails>"
    try:
        pickled: bytes | None = pickler.dumps_exception(error)
    except Exception:  # noqa: BLE001  # the program's own code
        pickled = None
    return f"{kind.__module__}.{kind.__qualname__}", text, "".join(lines), pickled


def _read(fd: int) -> BaseException | None:
    with open(fd, "rb", closefd=False) as file:
        file.seek(0)
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return None
        size = _HEADER.unpack(header)[0]
        payload = file.read(size)
    if not size or len(payload) < size:
        return None
    kind, text, remote_traceback, pickled = pickle.loads(payload)
    remote = RemoteError(kind, text, remote_traceback)
    error = _revive(pickled)
    if error is None:
        return remote
    error.__cause__ = remote
    return error


def _revive(pickled: bytes | None) -> BaseException | None:
    """The exception itself, where its class is known here and can be built from its state."""
    if pickled is None:
        return None
    try:
        error = pickle.loads(pickled)
    except Exception:  # noqa: BLE001  # the program's own code
        return None
    return error if isinstance(error, BaseException) else None


def watch_run(process: BaseProcess, file: ReportFile) -> None:
    """In the child: have an exception that leaves ``process.run()`` reported.

    ``run`` is wrapped on the instance, as it may be overridden in any class, and only
    until it is called, so that the program's own code sees its object unchanged.
    """
    state = process.__dict__
    run: Callable[[], object] = process.run
    own = {"run": run} if "run" in state else {}

    def run_and_report() -> None:
        del state["run"]
        state.update(own)
        try:
            run()
        except SystemExit:
            raise
        except BaseException as error:
            file.write(error)
            raise

    state["run"] = run_and_report


def watch_arrival(file: ReportFile) -> Callable[[], None]:
    """In the child: have an exception reported that keeps it from becoming the process.

    A target that cannot be unpickled ends the interpreter before ``run``.  Returns the
    call that ends the watch.
    """
    previous: Callable[..., Any] = sys.excepthook

    def report_and_pass_on(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        file.write(error)
        previous(kind, error, trace)

    def stop() -> None:
        if sys.excepthook is report_and_pass_on:
            sys.excepthook = previous

    sys.excepthook = report_and_pass_on
    return stop
