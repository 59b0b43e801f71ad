"""Tasks in a thread's hands, and how another thread takes some of them away.

Short tasks are taken many at a time.  But threads may wait for each other, and one task may take
long, so tasks that nobody has begun must not wait while a thread is idle.  An idle thread
takes half of what another has not begun.

The thread that runs them draws the tasks from an iterator over a list, tuple or range, one by one
and under no lock.  Who takes some away empties that iterator in one step of C, which no
other thread can come between, and leaves a new one with what is left.  So taking costs the
one who runs them nothing as long as nobody is idle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from procession._engine.pool.calls import Call

__all__ = ["Hand"]


class Hand:
    """Consecutive tasks of a call, for one thread to run.

    ``items``: where it draws the next from; ``drawn``: how many it drew before these; ``size``: how
    many are its own in all.  The thread reads them when ``items`` is empty, under the
    engine's lock, as who takes some away changes them.
    """

    __slots__ = ("call", "drawn", "first", "items", "size")

    def __init__(self, call: Call, first: int, items: Sequence[Any]) -> None:
        self.call = call
        self.first = first
        self.items: Iterator[Any] = iter(items)
        self.drawn = 0
        self.size = len(items)

    def give_half(self) -> Hand | None:
        """Give away the second half of what was not begun, None when all was.  Lock held."""
        rest = list(self.items)
        if not rest:
            return None
        kept = len(rest) // 2
        self.drawn = self.size - len(rest)
        self.size = self.drawn + kept
        self.items = iter(rest[:kept])
        return Hand(self.call, self.first + self.size, rest[kept:])

    def clear(self) -> None:
        """Forget what was not begun: nobody wants it any more.  Lock held."""
        self.size -= len(list(self.items))
