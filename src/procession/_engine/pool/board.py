"""A few words of shared memory: what each worker is doing, readable after its death.

One number per worker, written by that worker alone with one store: how far it is in the
message that it holds.  The parent reads a number only when its writer is dead, so a store
cannot be seen half done.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from multiprocessing.reduction import DupFd
from multiprocessing.sharedctypes import RawArray
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence

__all__ = ["IDLE", "STARTING", "Board"]

STARTING: Final = -2
"""The worker has not come through its start: imports, initializer."""

IDLE: Final = -1
"""Nothing of the message in its hands, if there is one, has begun."""

_WORD = 8


class Board:
    """One number per slot: STARTING, IDLE, or the place in the message of the task begun last."""

    def __init__(
        self, slots: int, memory: tuple[MutableSequence[int], int | None] | None = None
    ) -> None:
        self._slots = slots
        self._words, self._fd = _make(slots) if memory is None else memory

    @property
    def words(self) -> MutableSequence[int]:
        """The numbers themselves, for who writes one at every task."""
        return self._words

    def close(self) -> None:
        """Give the memory back, in this process."""
        self._words = []
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __reduce__(self) -> tuple[Callable[..., Board], tuple[Any, ...]]:
        """Hand it to a process that is being started."""
        memory = self._words if self._fd is None else DupFd(self._fd)
        return _attach, (self._slots, memory)


def _make(slots: int) -> tuple[MutableSequence[int], int | None]:
    if os.name != "posix":
        return RawArray("q", slots), None
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("procession-board", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, slots * _WORD)
    return _map(fd, slots), fd


def _map(fd: int, slots: int) -> MutableSequence[int]:
    words: Any = memoryview(mmap.mmap(fd, slots * _WORD)).cast("q")
    return cast("MutableSequence[int]", words)


def _attach(slots: int, memory: Any) -> Board:
    if not hasattr(memory, "detach"):
        return Board(slots, (memory, None))
    fd = memory.detach()
    try:
        return Board(slots, (_map(fd, slots), None))
    finally:
        os.close(fd)
