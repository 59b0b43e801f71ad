"""A call of the pool's interface, from the parent's side: what to do, and what came of it.

The engine takes chunks of tasks out of a call, and puts results into it, in any order, until
the call is finished.  A call knows nothing of workers and queues.

All changes are made under the engine's lock, and each can be made twice: a KeyboardInterrupt
may strike between any two steps, and then the same results are taken in again.
"""

from __future__ import annotations

import itertools
import math
import threading
from typing import TYPE_CHECKING, Any

from procession._engine.pool.policy import MOST_AHEAD
from procession._engine.pool.showing import shown
from procession._engine.pool.source import SourceReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from procession._engine.errors import Attempt
    from procession._engine.pool.policy import Pace
    from procession._engine.pool.recipe import Recipe

__all__ = ["ApplyCall", "Call", "Chunk", "MapCall", "StreamCall"]

_numbers = itertools.count(1)


class Chunk:
    """Consecutive tasks of a call that travel as one message.

    ``delivered`` is how many of them have ended; ``attempts`` the deaths of workers that
    each of them is blamed for.
    """

    __slots__ = ("attempts", "call", "delivered", "first", "items")

    def __init__(
        self, call: Call, first: int, items: Sequence[Any], attempts: tuple[Attempt, ...] = ()
    ) -> None:
        self.call = call
        self.first = first
        self.items = items
        self.attempts = attempts
        self.delivered = 0

    def part(self, start: int, stop: int, attempts: tuple[Attempt, ...] = ()) -> Chunk:
        """Return a chunk of some of the tasks."""
        return Chunk(self.call, self.first + start, self.items[start:stop], attempts)


class Call:
    """What all kinds of calls share.

    ``open`` are the tickets of messages on their way, ``returned`` chunks that came back
    unfinished and wait to be sent again.  ``exhausted``: nothing more will be taken from the
    input.  ``ended``: the outcome is decided, ``finished``: it may be seen (callbacks have
    run).  ``feeding`` is held while the input is read.  ``timeout``: seconds for each task.
    """

    single = False
    """Whether the results are seen one by one."""

    is_single_task = False

    def __init__(self, name: str, pace: Pace, retries: int, *, on_error: str = "raise") -> None:
        self.number = next(_numbers)
        self.name = name
        self.pace = pace
        self.retries = retries
        self.on_error = on_error
        self.timeout: float | None = None
        self.recipe: Recipe | None = None
        self.open: set[int] = set()
        self.returned: list[Chunk] = []
        self.feeding = threading.Lock()
        self.tasks_open = 0
        self.exhausted = False
        self.ended = False
        self.finished = False
        self.failed: BaseException | None = None
        self.callback: Any = None
        self.error_callback: Any = None

    @property
    def has_callback(self) -> bool:
        """Whether somebody is to be called when the call has ended."""
        return self.callback is not None or self.error_callback is not None

    def end(self) -> None:
        """The outcome is decided: give back what the call needed."""
        self.ended = True
        if self.recipe is not None:
            self.recipe.close()

    @property
    def recipe_text(self) -> bytes:
        """What every message says of the function."""
        return b"" if self.recipe is None else self.recipe.text

    def next_chunk(self, pending: int) -> Chunk | None:
        """Take tasks for one message from the input; None when there is nothing to send now.

        ``pending`` messages were taken and are not yet open.
        """
        raise NotImplementedError

    def deliver(self, first: int, values: Sequence[Any]) -> None:
        """Take in the results of consecutive tasks."""
        raise NotImplementedError

    def deliver_failure(self, index: int, error: BaseException) -> None:
        """Take in that a task ended with an exception."""
        raise NotImplementedError

    def complete(self) -> None:
        """Take in that every task has ended."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """End the call as a whole with this exception."""
        self.failed = error
        self.exhausted = True
        self.open.clear()
        self.returned.clear()

    def abandon(self) -> None:
        """Nobody will look at the results: send nothing more of the input."""
        self.exhausted = True

    def seconds_to_sleep(self) -> float:
        """How long nothing needs to be done for this call."""
        return 0.0

    def is_done(self) -> bool:
        """Whether every task has ended."""
        return self.exhausted and not self.open and not self.returned

    def describe(self, index: int) -> str:
        """Name a task, for people."""
        return f"task {index:,} of {self.name}"

    def arguments(self, item: Any) -> str:
        """Show a task's function and arguments, shortened, for people."""
        return f"{self.name.partition('(')[2].rstrip(')')}({shown(item)})"


class _Outcome(Call):
    """A call with one outcome: a value, or an exception."""

    value: Any = None
    error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        super().fail(error)
        self.error = error


class ApplyCall(_Outcome):
    """One task."""

    single = True
    is_single_task = True

    def __init__(
        self, name: str, pace: Pace, retries: int, item: tuple[Any, ...], on_error: str = "raise"
    ) -> None:
        super().__init__(name, pace, retries, on_error=on_error)
        self._item: tuple[Any, ...] | None = item

    def next_chunk(self, pending: int) -> Chunk | None:  # noqa: ARG002
        """The only one."""
        if self.exhausted or self._item is None:
            return None
        item, self._item = self._item, None
        self.exhausted = True
        return Chunk(self, 0, (item,))

    def deliver(self, first: int, values: Sequence[Any]) -> None:  # noqa: ARG002
        """Keep the value."""
        self.value = values[0]

    def deliver_failure(self, index: int, error: BaseException) -> None:  # noqa: ARG002
        """Keep the exception."""
        if self.on_error == "return":
            self.value = error
        else:
            self.error = error

    def complete(self) -> None:
        """Nothing is left to do."""

    def describe(self, index: int) -> str:  # noqa: ARG002
        """Name the task, for people."""
        return self.name

    def arguments(self, item: Any) -> str:
        """Show the function and arguments, shortened, for people."""
        args, keywords = item
        texts = [shown(arg) for arg in args]
        texts += [f"{name}={shown(value)}" for name, value in keywords.items()]
        return f"{self.name.partition('(')[2].rstrip(')')}({', '.join(texts)})"


class MapCall(_Outcome):
    """A function over a sequence, results in its order, all at once."""

    def __init__(
        self, name: str, pace: Pace, retries: int, items: Sequence[Any], on_error: str = "raise"
    ) -> None:
        super().__init__(name, pace, retries, on_error=on_error)
        self._items = items
        self._next = 0
        self._values: list[Any] = [None] * len(items)
        self._errors: dict[int, BaseException] = {}
        self.exhausted = not items

    def seconds_to_sleep(self) -> float:
        """How long nothing needs to be done for this call: no end, and workers have work."""
        left = self.pace.seconds_left(len(self._items) - self._next + self.tasks_open)
        if self.exhausted:
            return left / 2
        return min(left / 2, self.pace.seconds_left(self.tasks_open) / 3)

    def next_chunk(self, pending: int) -> Chunk | None:
        """The next slice of the input, as long as the pace says."""
        if self.exhausted or len(self.open) + pending >= self.pace.window():
            return None
        first = self._next
        self._next = first + self.pace.size(len(self._items) - first)
        items = self._items[first : self._next]
        self._next = first + len(items)
        self.exhausted = self._next >= len(self._items)
        return Chunk(self, first, items)

    def deliver(self, first: int, values: Sequence[Any]) -> None:
        """Put the values in their places."""
        self._values[first : first + len(values)] = values

    def deliver_failure(self, index: int, error: BaseException) -> None:
        """Keep the exception for its place."""
        self._errors[index] = error

    def complete(self) -> None:
        """Make the outcome: all values, or the first exception in the order of the input."""
        if self._errors and self.on_error != "return":
            self.error = self._errors[min(self._errors)]
        else:
            for index, error in self._errors.items():
                self._values[index] = error
            self.value = self._values
        self._values, self._items, self._errors = [], (), {}

    def abandon(self) -> None:
        """Send nothing more."""
        super().abandon()
        self._next = len(self._items)


class StreamCall(Call):
    """A function over an iterator, results handed out one by one.

    The input is read ahead of the results taken by a bounded number of tasks, given, or
    following the pace; without bound once ``unbounded`` is set, as when the pool is joined.
    """

    single = True

    def __init__(
        self,
        name: str,
        pace: Pace,
        retries: int,
        iterable: Iterable[Any],
        *,
        ordered: bool,
        buffersize: int | None,
        on_error: str = "raise",
        wake: Callable[[], object],
    ) -> None:
        super().__init__(name, pace, retries, on_error=on_error)
        self.reader: SourceReader | None = None
        if hasattr(iterable, "__len__"):
            self._source: Iterator[Any] = iter(iterable)
        else:
            self.reader = SourceReader(self, iter(iterable), wake)
            self._source = self.reader.items()
        self._ordered = ordered
        self._buffersize = buffersize
        self._fed = 0
        self.taken = 0
        self.unbounded = False
        self.ready: dict[int, tuple[bool, Any]] = {}

    def bound(self) -> float:
        """Up to which task the input may be read now."""
        if self.unbounded:
            return math.inf
        ahead = self.pace.read_ahead() if self._buffersize is None else self._buffersize
        return self.taken + ahead

    def room(self) -> float:
        """How many tasks may be sent now."""
        return self.bound() - self._fed

    def next_chunk(self, pending: int) -> Chunk | None:  # noqa: ARG002
        """Read the next tasks from the input; runs the user's iterator."""
        size = self._whole_grains(self._size())
        if self.exhausted or not size or self.room() < size:
            return None
        first, error = self._fed, None
        items: list[Any] = []
        try:
            items.extend(itertools.islice(self._source, size))
        except Exception as raised:  # the iterator's exception is its last item
            # As in the standard library, the grain that it breaks off is lost with it.
            error = raised
            del items[len(items) // self.pace.grain * self.pace.grain :]
        self._fed = first + len(items)
        if error is not None:
            self.ready[self._fed] = (False, error)
        if error is not None or (len(items) < size and not self._may_go_on()):
            self.exhausted = True
        return Chunk(self, first, items) if items else None

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

    def deliver(self, first: int, values: Sequence[Any]) -> None:
        """Have the values ready."""
        for index, value in enumerate(values, first):
            self.ready[index] = (True, value)

    def deliver_failure(self, index: int, error: BaseException) -> None:
        """Have the exception ready."""
        self.ready[index] = (self.on_error == "return", error)

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

    def has_next(self) -> bool:
        """Whether ``take_next`` has something to say."""
        if self._ordered:
            return self.taken in self.ready or self.finished
        return bool(self.ready) or self.finished

    def take_next(self) -> tuple[bool, Any] | None:
        """The next result as (success, value); None at the end."""
        index = self.taken if self._ordered else next(iter(self.ready), -1)
        outcome = self.ready.pop(index, None)
        if outcome is not None:
            self.taken += 1
            return outcome
        return None if self.failed is None else (False, self.failed)
