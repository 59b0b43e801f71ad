"""What a child that failed tells its parent: the exception, once, in full.

The child writes the exception, its text and its traceback, then, last, the length: a report that
was cut off by a kill is no report.
"""

from __future__ import annotations

import contextlib
import pickle
import struct
import traceback

from procession._engine.errors import RemoteError
from procession._engine.wire import pickler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procession._engine.process.reporting import ReportFile

_HEADER = struct.Struct("<Q")


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


def read(fd: int) -> BaseException | None:
    """In the parent: return what the child left; None where it was killed before it had all."""
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
