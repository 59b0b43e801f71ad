"""An ``imap`` from the parent's side: its input is read as its results are taken."""

from __future__ import annotations

import itertools
import math
import threading

from procession._engine.pool.calls import Call, Failure
from procession._engine.pool.policy import MOST_AHEAD
from procession._engine.pool.source import SourceReader
from procession._engine.pool.steps import Chunk, InputIterator, ResultLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from procession._engine.pool.policy import Pace

__all__ = ["StreamCall"]

_STILL = frozenset({list, tuple, range, str, bytes, dict, set, frozenset})


class StreamCall(Call):
    """A function over an iterator, results handed out one by one.

    The input is read ahead of the results taken by a bounded number of tasks, given, or
    following the pace; without bound once ``unbounded`` is set, as when the pool is joined.
    """

    single = True

    def __init__(
        self,
        method: str,
        function: str,
        pace: Pace,
        retries: int,
        iterable: Iterable[Any],
        *,
        ordered: bool,
        buffersize: int | None,
        on_error: str = "raise",
        wake: Callable[[], object],
        keep: Callable[[Any], Any] | None,
    ) -> None:
        super().__init__(function, pace, retries)
        self.method = method
        self.on_error = on_error
        self.feeding = threading.RLock()
        self.reader: SourceReader | None = None
        self._source: Iterator[Any] = iter(iterable)
        if keep is not None and not _lies_still(iterable):
            self._source = InputIterator(self._source, keep)
        if not hasattr(iterable, "__len__"):
            self.reader = SourceReader(self, self._source, wake)
            self._source = self.reader.items()
        self._buffersize = buffersize
        self._fed = 0
        self._batch: list[Any] = []  # was read, and is in no chunk yet
        self.sink = self.line = ResultLine(ordered=ordered)
        self.unbounded = False

    def bound(self) -> float:
        """Up to which task the input may be read now."""
        return self.line.taken + self._ahead()

    def _ahead(self) -> float:
        """How many tasks the input may be read ahead of the results taken."""
        if self.unbounded:
            return math.inf
        return self.pace.read_ahead() if self._buffersize is None else self._buffersize

    def room(self) -> float:
        """How many tasks may be sent now."""
        return self.bound() - self._fed

    def take_chunk(self, unsent: list[Chunk]) -> bool:
        """Read the next tasks from the input; runs the user's iterator."""
        size = self._whole_grains(self._size())
        if self.exhausted or not size or self.room() < size:
            return False
        first, error, items = self._fed, None, self._batch
        try:
            items.extend(itertools.islice(self._source, max(0, size - len(items))))
        except BaseException as raised:  # the iterator's exception is its last item
            # Read by a thread of its own it may exit; here that, and Ctrl-C, is the caller's.
            exits = self.reader is not None and isinstance(raised, SystemExit)
            if not exits and not isinstance(raised, Exception):
                raise
            # As in the standard library, the grain that it breaks off is lost with it.
            error = raised
            del items[len(items) // self.pace.grain * self.pace.grain :]
        stop = first + len(items)
        if error is not None:
            self.line.put(stop, Failure(error))
        is_last = error is not None or (len(items) < size and not self._may_go_on())
        if not items:
            self.exhausted = is_last
            return False
        chunk = Chunk(self, first, items, self.line)
        self._fed, self._batch, self.exhausted = stop, [], is_last
        unsent.append(chunk)
        return True

    def _whole_grains(self, size: int) -> int:
        """As much of ``size`` as may be taken now: a grain that is still being read is not."""
        # A small buffersize makes messages smaller than a grain.
        grain, reader = min(self.pace.grain, size), self.reader
        if grain <= 1 or reader is None or reader.has_ended():
            return size
        return min(size, reader.items_there() // grain * grain)

    def _may_go_on(self) -> bool:
        """Whether an input that gave nothing more may give more later."""
        return self.reader is not None and not self.reader.is_at_end()

    def wants_input(self) -> bool:
        """Whether there is room for one more message."""
        return self.room() >= self._size()

    def _size(self) -> int:
        """As long as the pace says, and short enough to keep all workers busy within the bound."""
        size = self.pace.size(None)
        if self.unbounded:
            return size
        if self._buffersize is None:
            return min(size, max(self.pace.grain, MOST_AHEAD // (8 * self.pace.workers)))
        return min(size, max(1, self._buffersize // (2 * self.pace.workers)))

    def note_refilled(self) -> None:
        """Decide after how many more results taken to look again for room: before it runs dry."""
        self.line.refill_at = self.line.taken + max(1, int(min(self._ahead(), MOST_AHEAD)) // 8)

    def settle(self, index: int, error: BaseException) -> BaseException | Failure:  # noqa: ARG002
        """What stands in the line for a task's exception."""
        return error if self.on_error == "return" else Failure(error)

    def complete(self) -> None:
        """Nothing is left to do: results are taken one by one."""

    def abandon(self) -> None:
        """Read nothing more."""
        super().abandon()
        if self.reader is not None:
            self.reader.stop()

    def fail(self, error: BaseException) -> None:
        """End with the exception, after the results that are there."""
        super().fail(error)
        if self.reader is not None:
            self.reader.stop()

    def read_without_bound(self) -> None:
        """Read all of the input now: the pool is to end after it."""
        self.unbounded = True
        if self.reader is not None:
            self.reader.resume()

    def is_ready(self) -> bool:
        """Whether there is a result, or the end."""
        return len(self.line) > 0 or self.finished


def _lies_still(iterable: Iterable[Any]) -> bool:
    """Whether reading on changes no item that was read before."""
    # An array's items are its rows.
    return type(iterable) in _STILL or type(iterable).__name__ == "ndarray"
