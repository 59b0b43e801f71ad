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
import traceback

from procession._engine.errors import RemoteError
from procession._engine.lifecycle import close_with
from procession._engine.process.reporting import ReportFile
from procession._engine.wire import pickler

_HEADER = struct.Struct("<Q")


class Report:
    """The parent's end: an anonymous file, and what was read from it at the end."""

    def __init__(self) -> None:
        fd = anonymous_file()
        self.exception: BaseException | None = None
        self._finalizer = close_with(self, fd)
        self.file = ReportFile(fd)
        """What the child gets."""

    def collect(self) -> None:
        """Read what the child left, and close the file.  Does nothing the second time."""
        if self._finalizer.still_active():
            self.exception = read(self.file)
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


def write(file: ReportFile, error: BaseException) -> None:
    """In the child: leave this exception for the parent.  Never raises."""
    with contextlib.suppress(Exception):
        payload = pickle.dumps(_describe(error))
        if not file.is_ours():
            return
        with open(file.fd, "wb", buffering=0, closefd=False) as stream:
            stream.seek(_HEADER.size)
            rest = memoryview(payload)
            while rest:
                rest = rest[stream.write(rest) :]
            stream.seek(0)
            stream.write(_HEADER.pack(len(payload)))


def read(file: ReportFile) -> BaseException | None:
    """In the parent: return what the child left.

    None where it left nothing, or not all of it before it was killed.
    """
    with contextlib.suppress(OSError):
        # An empty file is the good end, and the common one.
        if file.is_ours() and os.fstat(file.fd).st_size:
            return _read(file.fd)
    return None


def _describe(error: BaseException) -> tuple[str, str, str, bytes | None]:
    """(type name, text, traceback text, the exception pickled, if it can be)."""
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
