"""Tasks in a thread's hands, and how another thread takes some of them away.

With a ``chunksize``, or in a ``map`` without one, a thread draws many tasks at a time.  But threads
may wait for each other, and one task may take long, so tasks that nobody has begun must not wait
while a thread is idle.  An idle thread takes half of what another has not begun.

The thread that runs them draws the tasks from an iterator over a list, tuple or range, one by one
and under no lock.  Who takes some away says so first, empties that iterator in one step of C, which
no other thread can come between, and leaves a new one with what is left.  So the one who runs them
finds its iterator at its end and nobody there, and then all were its own; or it waits for the
lock and looks again.  Taking costs it nothing as long as nobody is idle.
"""

from __future__ import annotations

import operator

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence
    from typing import Any

    from procession._engine.pool.thread_calls import SharedCall

__all__ = ["Hand"]


class Hand:
    """Consecutive tasks of a call, for one thread to run.

    ``items``: where it draws the next from; ``first``: the index of the first of all.
    """

    __slots__ = ("_shared", "_stop", "call", "first", "items")

    def __init__(self, call: SharedCall, first: int, items: Sequence[Any]) -> None:
        self.call = call
        self.first = first
        self.items: Iterator[Any] = iter(items)
        self._stop = first + len(items)
        self._shared = False

    def left(self) -> int:
        """How many are not begun."""
        return operator.length_hint(self.items)

    def is_through(self, items: Iterator[Any], lock: threading.RLock) -> bool:
        """Whether its thread, which has drawn all of ``items``, has done all that is its own."""
        if not self._shared:
            return True
        with lock:
            return self.items is items

    def give_half(self) -> Hand | None:
        """Give away the second half of what was not begun, None when all was.  Lock held."""
        if self.left() == 0:
            return None
        self._shared = True
        rest = list(self.items)
        if not rest:
            return None
        kept = len(rest) // 2
        self._stop -= len(rest) - kept
        self.items = iter(rest[:kept])
        return Hand(self.call, self._stop, rest[kept:])

    def clear(self) -> None:
        """Forget what was not begun: nobody wants it any more.  Lock held."""
        self._shared = True
        list(self.items)
