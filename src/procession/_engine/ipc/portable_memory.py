"""A file without a name that several processes share and map: memory that every system has.

Any process may be handed it by descriptor, and it is gone when the last of them has closed it.
What it holds is read and written as memory: ``data`` by bytes, ``words`` by numbers of 64 bits,
each of them at once: who is killed has written a word or has not. Big messages go by system calls
instead, as these bring pages in by the dozen; on Windows they do not, since there a mapping and a
call may see different bytes.

The file has no holes, since a store into a hole of a full disk kills the process: where it grows,
zeros are written first, and a full disk is an OSError.

The order in which stores are seen. A processor of the x86 family shows them to others in their
order. For all others ``fence`` stands between what is written and the word that says so, and
between the look at that word and what is read (``WEAK`` says whether it is needed). It takes,
leaves, takes and leaves a lock: a release followed by an acquire orders what is before both and
what is after both.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
import tempfile
import threading
import weakref

from procession._engine.wire.descriptors import SharedDescriptors, share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    Mapping = tuple[Any, memoryview, int]

__all__ = ["DAMAGED", "WEAK", "WORD", "MappedFile", "fence"]

WORD: Final = 8
"""Bytes of a word."""

DAMAGED: Final = "it was damaged from outside; make a new queue"

_LARGEST_CALL: Final = 1 << 30  # some systems refuse reads and writes of 2 GiB and more
_ZEROS: Final = bytes(1 << 16)

# Without it a mapping keeps a descriptor of its own, which nothing here needs.
_NO_DESCRIPTOR: Any = (
    {"trackfd": False} if sys.version_info >= (3, 13) and os.name == "posix" else {}
)


def _keeps_order() -> bool:
    machine = os.uname().machine if hasattr(os, "uname") else sys.version
    return any(name in machine for name in ("x86_64", "AMD64", "i386", "i686"))


WEAK: Final = not _keeps_order()
"""Whether this processor may show stores to others in another order."""


def fence() -> None:
    """What is above is seen, and has looked, before what is below."""
    lock = threading.Lock()
    lock.acquire()
    lock.release()
    lock.acquire()
    lock.release()


class MappedFile:
    """An anonymous file of ``length`` bytes, all zero, mapped in any number of processes.

    A mapping is ``(data, words, length)``.  The file may become longer than it, or shorter.
    """

    def __init__(self, length: int) -> None:
        with tempfile.TemporaryFile(buffering=0) as file:
            self._attach(os.dup(file.fileno()))
        self.extend(0, length)

    def _attach(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)
        self._close.atexit = False

    def __getstate__(self) -> SharedDescriptors:
        """The file's descriptor, packed for another process."""
        return share((self._descriptor,))

    def __setstate__(self, state: SharedDescriptors) -> None:
        """Attach to the file that another process handed over."""
        self._attach(*state.take())

    def map(self, length: int) -> Mapping:
        """Map ``length`` bytes, which the file must have."""
        data = mmap.mmap(self._descriptor, length, **_NO_DESCRIPTOR)
        return data, memoryview(data).cast("Q"), length

    def close(self, mapping: Mapping) -> None:
        """Close this process's descriptors, and unmap the file."""
        mapping[1].release()
        mapping[0].close()
        self._close()

    if sys.platform == "win32":

        def extend(self, length: int, longer: int) -> None:  # noqa: ARG002
            """Make a file of ``length`` bytes longer; raises OSError, as when the disk is full."""
            mmap.mmap(self._descriptor, longer).close()

        def truncate(self, length: int) -> None:
            """Nothing: a file that is mapped cannot be cut here."""

    else:

        def extend(self, length: int, longer: int) -> None:
            """Make a file of ``length`` bytes longer; raises OSError, as when the disk is full."""
            while length < longer:
                length += os.pwrite(self._descriptor, _ZEROS[: longer - length], length)

        def truncate(self, length: int) -> None:
            """Give back what lies behind ``length`` bytes."""
            os.ftruncate(self._descriptor, length)

        def read(self, length: int, offset: int) -> bytes:
            """``length`` bytes from ``offset``; raises OSError when the file ends before."""
            data = os.pread(self._descriptor, min(length, _LARGEST_CALL), offset)
            if len(data) == length:
                return data
            parts = [data]
            missing = length - len(data)
            while missing > 0 and parts[-1]:
                start = offset + length - missing
                parts.append(os.pread(self._descriptor, min(missing, _LARGEST_CALL), start))
                missing -= len(parts[-1])
            if missing > 0:
                raise OSError(
                    errno.EIO,
                    f"a queue's file ends {missing} bytes before the end of its message: {DAMAGED}",
                )
            return b"".join(parts)

        def write(self, data: bytes, offset: int) -> None:
            """Write all of ``data`` at ``offset``; raises OSError, as when the disk is full."""
            rest = memoryview(data)
            while rest:
                written = os.pwrite(self._descriptor, rest[:_LARGEST_CALL], offset)
                rest = rest[written:]
                offset += written
