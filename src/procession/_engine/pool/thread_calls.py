"""Calls of several tasks, as the threads of a pool help themselves from them.

Any number of threads may be at a call.  Each draws the next task, or with a ``chunksize`` the next
tasks, by one step of C that no other thread can come between, and under no lock: ``draw()``
gives the index and the item, or the first index and the items, and raises LookupError or
StopIteration when nothing is left.  Then ``fill()`` reads on, which may run the user's code.  One
thread at a time does that; the others leave the call and come back when they are called.

Whoever ends a call takes out of it what was not drawn; no thread needs to be told.
"""

from __future__ import annotations

import operator
import threading
import time
from collections import deque

from procession._engine.pool.calls import MapCall
from procession._engine.pool.stream_call import StreamCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Final

    from procession._engine.pool.policy import Pace
    from procession._engine.pool.steps import Chunk

__all__ = ["ThreadMap", "ThreadStream"]

_LONGEST_BURST: Final = 1024
_MOST_CUTS: Final = 256
"""A sequence of more than so many draws is cut up as they are drawn."""

_QUICK_SECONDS: Final = 0.001
"""An input of which a burst takes longer is read one by one."""


class ThreadMap(MapCall):
    """A function over a sequence."""

    def __init__(
        self,
        method: str,
        function: str,
        pace: Pace,
        retries: int,
        items: Sequence[Any],
        on_error: str = "raise",
    ) -> None:
        super().__init__(method, function, pace, retries, (), on_error)
        size = pace.grain
        # No generators, in which two threads cannot be at once.
        self._starts: Iterator[Any]
        self._draws: Iterator[Any]
        if len(items) <= _MOST_CUTS * size and size > 1:
            cuts = _cut(items, size)
            total = sum(len(some) for _, some in cuts)
            self._starts = self._draws = iter(cuts)
        else:
            items = items[:]
            total = len(items)
            self._starts = iter(items if size == 1 else range(0, total, size))
            one_by_one = enumerate(self._starts)
            self._draws = one_by_one if size == 1 else map(_Cut(items, size), self._starts)
        self.sink = [None] * total
        self.exhausted = total == 0

    @property
    def draw(self) -> Callable[[], tuple[int, Any]]:
        """What gives the next task or tasks."""
        return self._draws.__next__

    @property
    def put(self) -> Callable[[int, Any], object]:
        """What takes the result of a task."""
        return self.sink.__setitem__  # type: ignore[no-any-return]  # a list's

    def put_many(self, first: int, values: list[Any]) -> None:
        """Take the results of consecutive tasks; nobody sees those of a call that failed."""
        self.sink[first : first + len(values)] = values

    def fill(self) -> bool:
        """Whether something can be drawn."""
        return self.has_more()

    def has_more(self, besides: int = 0) -> bool:
        """Whether more than ``besides`` draws are left."""
        left = operator.length_hint(self._starts)
        if left == 0:
            self.exhausted = True  # nothing comes after that
        return left > besides

    def undrawn(self) -> int:
        """How many tasks nobody has drawn."""
        return min(operator.length_hint(self._starts) * self.pace.grain, len(self.sink))

    def drop(self) -> None:
        """Take out what was not drawn, also for who has asked for ``draw`` already."""
        deque(self._starts, maxlen=0)

    def complete(self) -> None:
        """Make the outcome, and let the input go."""
        super().complete()
        self._starts = self._draws = iter(())

    def fail(self, error: BaseException) -> None:
        """End with this exception."""
        super().fail(error)
        self.drop()
        self._starts = self._draws = iter(())


class ThreadStream(StreamCall):
    """A function over an iterator.

    ``_ready`` is what was read and is not drawn.  It was read within the bound, so there is no need
    to look at that again.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._unit = super()._size()  # how many are drawn at once
        self.feeding = threading.Lock()
        self._ready: deque[tuple[int, Any]] = deque()
        self.draw = self._ready.popleft
        self.put = self.line.put
        self.put_many = self.line.put_many
        self._dropped = False
        # A reader's items are there; what else is read may take its time.
        self._burst = 1 if self.reader is None else _LONGEST_BURST

    def fill(self) -> bool:
        """Read on; whether something can be drawn."""
        if self._ready:
            return True
        if not self.feeding.acquire(blocking=False):
            return False  # who reads now calls the others
        try:
            return bool(self._ready) or self._read_on()
        finally:
            self.feeding.release()

    def _read_on(self) -> bool:
        unit, begun = self._unit, time.monotonic()
        read: list[Chunk] = []
        if not self.take_chunk(read):
            return False
        if self.reader is None:
            quick = time.monotonic() - begun < _QUICK_SECONDS
            self._burst = min(2 * self._burst, _LONGEST_BURST) if quick else 1
        chunk = read.pop()
        first, items = chunk.first, chunk.items
        if self.pace.grain == 1:
            self._ready.extend(enumerate(items, first))
        else:
            cuts = range(0, len(items), unit)
            self._ready.extend((first + cut, items[cut : cut + unit]) for cut in cuts)
        if self._dropped:  # meanwhile
            self._ready.clear()
        return bool(self._ready)

    def has_more(self, besides: int = 0) -> bool:
        """Whether more than ``besides`` draws are left, or can be read by who comes now."""
        if len(self._ready) > besides:
            return True
        return not (self.exhausted or self.feeding.locked()) and self._readable() > 0

    def undrawn(self) -> int:
        """How many tasks were read and nobody has drawn."""
        if self.pace.grain == 1:
            return len(self._ready)
        return sum(len(items) for _, items in tuple(self._ready))

    def wants_input(self) -> bool:
        """Whether there is room for what is drawn at once."""
        return self.room() >= self._unit

    def _size(self) -> int:
        """How much to read: several draws at a time, as far as there is room."""
        return self._unit * max(1, int(min(self.room(), self._burst)) // self._unit)

    def _whole_grains(self, size: int) -> int:
        """As much of ``size`` as is there: what goes together and is still being read is not."""
        if self.reader is None or self.reader.has_ended():
            return size
        return min(size, self.reader.items_there() // self._unit * self._unit)

    def _readable(self) -> int:
        return self._whole_grains(self._size()) if self.wants_input() else 0

    def abandon(self) -> None:
        """Read and run nothing more."""
        super().abandon()
        self.drop()

    def fail(self, error: BaseException) -> None:
        """End with the exception, after the results that are there."""
        super().fail(error)
        self.line.close()
        self.drop()

    def drop(self) -> None:
        """Take out what was not drawn, and let nobody read on."""
        self._dropped = self.exhausted = True
        self._ready.clear()


def _cut(items: Sequence[Any], size: int) -> list[tuple[int, Sequence[Any]]]:
    """Cut a sequence into what goes together, each with its first index.

    In one step, so that what another thread does to a list is done before or after that.  To copy
    a list first, and to cut the copy when the time comes, takes two more passes over the items.
    """
    starts = range(0, len(items), size)
    stops = range(size, len(items) + size, size)
    return list(zip(starts, map(items.__getitem__, map(slice, starts, stops)), strict=True))


class _Cut:
    """Cuts what goes together out of a sequence."""

    def __init__(self, items: Sequence[Any], size: int) -> None:
        self._items = items
        self._size = size

    def __call__(self, first: int) -> tuple[int, Sequence[Any]]:
        return first, self._items[first : first + self._size]


if TYPE_CHECKING:
    SharedCall = ThreadMap | ThreadStream
