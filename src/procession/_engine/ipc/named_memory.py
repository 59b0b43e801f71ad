"""The standard library's blocks of shared memory, whose memory is there when they are made.

A new block is a file of the size that was asked for, and no memory yet: the system finds that
page by page, as it is written to.  Where the file system for such blocks is small, as in
containers (64 MiB, often), it finds none, and a program that writes to its block is killed by
``SIGBUS``.  Here the memory is taken when the block is made, so it is the maker that learns of it,
by an exception.  Who attaches to a block finds it complete.
"""

from __future__ import annotations

import os
from multiprocessing import shared_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["ShareableList", "SharedMemory"]

_PIECE = 4 << 20
"""Bytes taken at a time.  A signal makes the system give back what one call has taken, so the call
must be shorter than the time between two signals: this is a millisecond or so."""


class SharedMemory(shared_memory.SharedMemory):
    """A block of memory that other processes attach to by its name."""

    __module__ = "procession.shared_memory"

    def __init__(
        self, name: str | None = None, create: bool = False, size: int = 0, **options: Any
    ) -> None:
        super().__init__(name, create, size, **options)
        if create:
            _take_memory(self, size)


class ShareableList(shared_memory.ShareableList):  # type: ignore[type-arg]
    """A list of fixed length in such a block, for numbers, strings, bytes and None."""

    __module__ = "procession.shared_memory"

    def __init__(self, sequence: Iterable[Any] | None = None, *, name: str | None = None) -> None:
        self._is_maker = name is None or sequence is not None
        super().__init__(sequence, name=name)

    @property
    def shm(self) -> shared_memory.SharedMemory:
        """The block that the list lies in."""
        return self._block

    @shm.setter
    def shm(self, block: shared_memory.SharedMemory) -> None:
        """Keep the block that the standard class has made, before it writes the list to it."""
        self._block = block
        if self._is_maker:
            _take_memory(block, block.size)


def _take_memory(block: shared_memory.SharedMemory, size: int) -> None:
    """Have the memory of a new block; else there is no such block, and OSError says why."""
    descriptor: int = getattr(block, "_fd", -1)
    if descriptor < 0 or not hasattr(os, "posix_fallocate"):
        return
    try:
        for offset in range(0, size, _PIECE):
            os.posix_fallocate(descriptor, offset, min(_PIECE, size - offset))
    except OSError as error:
        system = os.fstatvfs(descriptor)
        there = system.f_bavail * system.f_frsize + offset
        block.close()
        block.unlink()
        raise OSError(
            error.errno,
            f"no {size} bytes of shared memory for a new block, {there} at most: {error.strerror}"
            " (in a container, give more to /dev/shm)",
        ) from None
    except BaseException:
        block.close()
        block.unlink()
        raise
