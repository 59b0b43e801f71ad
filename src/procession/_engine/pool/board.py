"""A few words of shared memory: what each worker is doing, readable after its death.

Three numbers per worker, each written with one store, so none can be seen half done.  How far
it is in the message that it holds, and since when its task runs, if anybody limits that, are
written by the worker alone; that it is to end after its task, by the parent alone.
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
_WORDS_PER_SLOT = 3


class Board:
    """Per slot: STARTING, IDLE, or the place in the message of the task begun last; and two more.

    At ``since`` + slot: when the task began that runs now, in nanoseconds of time.monotonic_ns,
    if its call has a time limit, else 0.  At ``leave`` + slot: whether the worker is to end
    before its next task.
    """

    def __init__(
        self, slots: int, memory: tuple[MutableSequence[int], int | None] | None = None
    ) -> None:
        self._slots = slots
        self._words, self._fd = _make(slots * _WORDS_PER_SLOT) if memory is None else memory
        self.since = slots
        self.leave = 2 * slots

    @property
    def words(self) -> MutableSequence[int]:
        """The numbers themselves, for who writes one at every task."""
        return self._words

    def clear(self, slot: int) -> None:
        """Make a slot ready for a worker that is about to start."""
        words = self._words
        words[slot], words[self.since + slot], words[self.leave + slot] = STARTING, 0, 0

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


def _make(count: int) -> tuple[MutableSequence[int], int | None]:
    if os.name != "posix":
        return RawArray("q", count), None
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("procession-board", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, count * _WORD)
    return _map(fd, count), fd


def _map(fd: int, count: int) -> MutableSequence[int]:
    words: Any = memoryview(mmap.mmap(fd, count * _WORD)).cast("q")
    return cast("MutableSequence[int]", words)


def _attach(slots: int, memory: Any) -> Board:
    if not hasattr(memory, "detach"):
        return Board(slots, (memory, None))
    fd = memory.detach()
    try:
        return Board(slots, (_map(fd, slots * _WORDS_PER_SLOT), None))
    finally:
        os.close(fd)
