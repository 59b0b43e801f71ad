"""A few words of shared memory: what each worker is doing, readable after its death.

Each worker has two cache lines of its own, so that no worker waits for a line that another
writes to.  Every number is written with one store, so none can be seen half done.  All but one
are written by the worker alone: how far it is in the message that it holds, since when its task
runs, if anybody limits that, and what it has done so far.  That it is to end after its task
is written by the parent alone.  Behind them is the parent's list of messages that no worker may
begin any more.
"""

from __future__ import annotations

import mmap
import os
from multiprocessing import reduction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

__all__ = [
    "BYTES_IN",
    "BYTES_OUT",
    "IDLE",
    "LEAVE",
    "ORDER",
    "PACKING",
    "PLACE",
    "SINCE",
    "STARTING",
    "TASKS",
    "WAITING",
    "WORKING",
    "Board",
]

# A worker's words, in their order.  The native loop (binding/work_loop.h) counts on it.
PLACE: Final = 0
"""STARTING, IDLE, or the place in the message of the task begun last."""

SINCE: Final = 1
"""When the task began that runs now, by time.monotonic_ns, if its call has a time limit, else 0."""

TASKS: Final = 2
"""How many tasks were run."""

WORKING: Final = 3
"""Nanoseconds spent in tasks."""

WAITING: Final = 4
"""Nanoseconds spent waiting for messages."""

PACKING: Final = 5
"""Nanoseconds spent pickling, unpickling and sending."""

BYTES_IN: Final = 6
BYTES_OUT: Final = 7

ORDER: Final = 8
"""What the parent wants of the worker, 0 for nothing.  Alone in the second line."""

STARTING: Final = -2
"""The worker has not come through its start: imports, initializer."""

IDLE: Final = -1
"""Nothing of the message in its hands, if there is one, has begun."""

LEAVE: Final = 1
"""An order to a worker: end before the next task."""

_LOOK: Final = 2
"""An order: look whether a message is forbidden before it is begun."""

_WORD = 8
_WORDS_PER_SLOT = 16

_STRUCK: Final = 65_536
"""Places of the list of forbidden messages.  A power of 2; touched only when it is used."""


class Board:
    """The words of all slots, and the list of forbidden messages."""

    def __init__(self, slots: int, memory: tuple[Any, int | None] | None = None) -> None:
        self._slots = slots
        self._memory, self._fd = _make(_size(slots)) if memory is None else memory
        self._words = _as_words(self._memory)
        self._struck = slots * _WORDS_PER_SLOT
        self._first_order = 0
        self._past = [0] * ORDER

    def words(self, slot: int) -> memoryview:
        """The words of one slot, for who writes some at every task."""
        return self._words[slot * _WORDS_PER_SLOT : (slot + 1) * _WORDS_PER_SLOT]

    def place(self, slot: int) -> int:
        """How far a worker is in its message, or STARTING or IDLE."""
        return self._words[slot * _WORDS_PER_SLOT + PLACE]

    def begun(self, slot: int) -> int:
        """Since when a worker's task runs, if its call has a time limit, else 0."""
        return self._words[slot * _WORDS_PER_SLOT + SINCE]

    def send_away(self, slot: int) -> None:
        """Order a worker to end before its next task."""
        self._words[slot * _WORDS_PER_SLOT + ORDER] = LEAVE

    def is_sent_away(self, slot: int) -> bool:
        """Whether the worker was ordered to end."""
        return self._words[slot * _WORDS_PER_SLOT + ORDER] == LEAVE

    def total(self, word: int) -> int:
        """Return what all workers counted, also those that are no more."""
        places = range(word, self._slots * _WORDS_PER_SLOT, _WORDS_PER_SLOT)
        return self._past[word] + sum(self._words[place] for place in places)

    def clear(self, slot: int) -> None:
        """Make a slot ready for a worker about to start; what the last one counted is kept."""
        words = self.words(slot)
        for word in range(TASKS, ORDER):
            self._past[word] += words[word]
        for word in range(ORDER):
            words[word] = 0
        words[PLACE] = STARTING
        words[ORDER] = self._first_order

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
        for slot in range(self._slots):
            order = slot * _WORDS_PER_SLOT + ORDER
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
        self._memory = None
        self._words = _as_words(bytearray(self._struck * _WORD))  # who still asks sees zeros
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __reduce__(self) -> tuple[Callable[..., Board], tuple[Any, ...]]:
        """Hand it to a process that is being started."""
        memory = self._memory if self._fd is None else reduction.DupFd(self._fd)
        return _attach, (self._slots, memory)


def _size(slots: int) -> int:
    return slots * _WORDS_PER_SLOT + _STRUCK


def _as_words(memory: Any) -> memoryview:
    return memoryview(memory).cast("B").cast("q")


def _make(count: int) -> tuple[Any, int | None]:
    if os.name != "posix":
        from multiprocessing.sharedctypes import RawArray  # noqa: PLC0415  # few have no memfd

        return RawArray("q", count), None
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("procession-board", os.MFD_CLOEXEC)
    else:
        import tempfile  # noqa: PLC0415  # as above

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, count * _WORD)
    return mmap.mmap(fd, count * _WORD), fd


def _attach(slots: int, memory: Any) -> Board:
    if not hasattr(memory, "detach"):
        return Board(slots, (memory, None))
    fd = memory.detach()
    try:
        return Board(slots, (mmap.mmap(fd, _size(slots) * _WORD), None))
    finally:
        os.close(fd)
