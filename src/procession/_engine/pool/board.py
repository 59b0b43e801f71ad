"""A few words of shared memory: what each worker is doing, readable after its death.

Three numbers per worker, each written with one store, so none can be seen half done.  How far
it is in the message that it holds, and since when its task runs, if anybody limits that, are
written by the worker alone; that it is to end after its task, by the parent alone.  Behind them
is the parent's list of messages that no worker may begin any more.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from multiprocessing.reduction import DupFd
from multiprocessing.sharedctypes import RawArray
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence, Sequence

__all__ = ["IDLE", "LEAVE", "STARTING", "Board"]

STARTING: Final = -2
"""The worker has not come through its start: imports, initializer."""

IDLE: Final = -1
"""Nothing of the message in its hands, if there is one, has begun."""

LEAVE: Final = 1
"""An order to a worker: end before the next task."""

_LOOK: Final = 2
"""An order: look whether a message is forbidden before it is begun."""

_WORD = 8
_WORDS_PER_SLOT = 3

_STRUCK: Final = 65_536
"""Places of the list of forbidden messages.  A power of 2; touched only when it is used."""


class Board:
    """Per slot: STARTING, IDLE, or the place in the message of the task begun last; and two more.

    At ``since`` + slot: when the task began that runs now, in nanoseconds of time.monotonic_ns,
    if its call has a time limit, else 0.  At ``order`` + slot: what the parent wants of the
    worker, 0 for nothing.
    """

    def __init__(
        self, slots: int, memory: tuple[MutableSequence[int], int | None] | None = None
    ) -> None:
        self._slots = slots
        self._words, self._fd = _make(_size(slots)) if memory is None else memory
        self.since = slots
        self.order = 2 * slots
        self._struck = 3 * slots
        self._first_order = 0

    @property
    def words(self) -> MutableSequence[int]:
        """The numbers themselves, for who writes one at every task."""
        return self._words

    def clear(self, slot: int) -> None:
        """Make a slot ready for a worker that is about to start."""
        words = self._words
        words[slot], words[self.since + slot] = STARTING, 0
        words[self.order + slot] = self._first_order

    def forbid(self, tickets: Sequence[int], taken: int) -> bool:
        """Let no worker begin these messages; False, and nothing done, when there is no room.

        ``taken``: the number of messages taken so far; older entries need no room.
        """
        words = self._words
        places = {self._place(ticket): ticket + 1 for ticket in tickets}
        if len(places) < len(tickets) or any(
            words[place] > taken and words[place] != entry for place, entry in places.items()
        ):
            return False
        for place, entry in places.items():
            words[place] = entry
        self._first_order = _LOOK
        for order in range(self.order, self.order + self._slots):
            words[order] = words[order] or _LOOK
        return True

    def allow(self, tickets: Sequence[int]) -> None:
        """Take back what was forbidden; a worker may have skipped a message meanwhile."""
        for ticket in tickets:
            if self._words[self._place(ticket)] == ticket + 1:
                self._words[self._place(ticket)] = 0

    def is_forbidden(self, ticket: int) -> bool:
        """Whether a worker must not begin a message."""
        return self._words[self._place(ticket)] == ticket + 1

    def _place(self, ticket: int) -> int:
        return self._struck + ticket % _STRUCK

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


def _size(slots: int) -> int:
    return slots * _WORDS_PER_SLOT + _STRUCK


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
        return Board(slots, (_map(fd, _size(slots)), None))
    finally:
        os.close(fd)
