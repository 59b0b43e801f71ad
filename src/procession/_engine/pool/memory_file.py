"""An anonymous file that is written once, by the parent, and mapped by its workers.

Each worker maps it privately: what lies in it is in memory once, for all, until somebody
writes to his view of it, which changes nothing for the others.
"""

from __future__ import annotations

import mmap
import os
import weakref

from procession._engine.ipc import transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["FileShelf", "MemoryFile", "map_privately"]

_ALIGNMENT = 64


class MemoryFile:
    """The parent's side.  Raises OSError where there is no memory for the parts.

    ``path`` is where processes of this user find it while it is open, and ``places`` says
    at which offset each part lies, and how long it is.  It is closed with the last reference.
    """

    def __init__(self, parts: Iterable[memoryview]) -> None:
        self._is_on_disk = False
        self._pid = os.getpid()
        self._fd, self.path = self._open()
        self.places: list[tuple[int, int]] = []
        try:
            offset = 0
            for part in parts:
                self.places.append((offset, part.nbytes))
                _write_all(self._fd, part, offset)
                offset += -(-part.nbytes // _ALIGNMENT) * _ALIGNMENT
            os.truncate(self._fd, max(offset, 1))
        except BaseException:
            self.close()
            raise

    def holds(self, parts: Sequence[memoryview]) -> bool:
        """Whether these are the parts that it was written from, and unchanged."""
        if transport.NAME != "native" or [part.nbytes for part in parts] != [
            size for _, size in self.places
        ]:
            return False
        from procession._engine import native  # noqa: PLC0415  # workers have no use for it

        places = zip(self.places, parts, strict=True)
        return all(native.file_holds(self._fd, offset, part) for (offset, _), part in places)

    def _open(self) -> tuple[int, str]:
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("procession-shared", os.MFD_CLOEXEC)
            path = f"/proc/{os.getpid()}/fd/{fd}"
            if os.path.exists(path):  # noqa: PTH110  # see below
                return fd, path
            os.close(fd)
        # Every worker imports this file, and has no use for what follows.
        import tempfile  # noqa: PLC0415

        self._is_on_disk = True
        return tempfile.mkstemp(prefix="procession-")

    def close(self) -> None:
        """Give the file back; workers that have mapped it keep what they have."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        os.close(fd)
        if self._is_on_disk and self._pid == os.getpid():
            from pathlib import Path  # noqa: PLC0415  # as above

            Path(self.path).unlink(missing_ok=True)

    def __del__(self) -> None:
        """Close it; not where ``__init__`` could not open one."""
        if hasattr(self, "_fd"):
            self.close()


class FileShelf:
    """Keeps the file that was written last, for when the same is sent again.

    To compare costs less than half of what it costs to write, and the pages are those that the
    workers keep mapped.  Nobody ever writes to a file twice: what has changed goes into another.
    """

    def __init__(self) -> None:
        self._last: MemoryFile | None = None
        _SHELVES.add(self)

    def file(self, parts: Sequence[memoryview]) -> MemoryFile:
        """Return a file of these parts.  Raises OSError where there is no memory for it."""
        last = self._last
        if last is not None and last.holds(parts):
            return last
        last = self._last = None  # its memory is free before the next takes some
        file = MemoryFile(parts)
        if transport.NAME == "native":
            self._last = file
        return file

    def clear(self) -> None:
        """Keep nothing."""
        self._last = None


_SHELVES: weakref.WeakSet[FileShelf] = weakref.WeakSet()


def _clear_in_child() -> None:
    """A forked worker would keep its copy of the descriptor, and so the memory, for life."""
    for shelf in tuple(_SHELVES):
        shelf.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_clear_in_child)


def map_privately(path: str, places: Iterable[tuple[int, int]]) -> list[memoryview]:
    """In a worker: return the parts of a file, writable, and backed by it until written to."""
    with open(path, "rb") as file:  # noqa: PTH123  # a descriptor by its path
        memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    return [memory[offset : offset + size] for offset, size in places]


def _write_all(fd: int, data: memoryview, offset: int) -> None:
    rest = data.cast("B") if data.nbytes else data
    while rest.nbytes:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written
