"""A call of the pool's interface, from the parent's side: what to do, and what came of it.

The engine takes chunks of tasks out of a call, and their results go to the call's ``sink``, in
any order, until the call is finished.  A call knows nothing of workers and queues.

All changes are made under the engine's lock, and each can be made twice: a KeyboardInterrupt
may strike between any two steps, and then the same results are taken in again.
"""

from __future__ import annotations

import itertools
import threading

from procession._engine.pool.shared_buffers import as_given
from procession._engine.pool.showing import shown
from procession._engine.pool.steps import Chunk, SingleCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from procession._engine.errors import Attempt
    from procession._engine.pool.policy import Pace
    from procession._engine.pool.recipe import Recipe

__all__ = ["ApplyCall", "Call", "Failure", "MapCall", "numbers", "part_of"]

numbers = itertools.count(1)
"""Of the calls of this process."""


class Failure:
    """Stands in a line of results for the exception that a task ended with."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def part_of(chunk: Chunk, start: int, stop: int, attempts: tuple[Attempt, ...] = ()) -> Chunk:
    """Return a chunk of some of a chunk's tasks."""
    call: Call = chunk.call
    return Chunk(call, chunk.first + start, chunk.items[start:stop], call.sink, attempts)


class Call:
    """What all kinds of calls share.

    ``open`` are the tickets of messages on their way, ``returned`` chunks that came back
    unfinished and wait to be sent again.  ``taken`` and ``resent`` are neither: somebody has
    them in hand, out of the input or of those that came back, and packs them.
    ``exhausted``: nothing more will be taken from the input, ``abandoned``: nor will anybody
    look at the results.  ``ended``: the outcome is decided, ``finished``: it may be seen
    (callbacks have run).  ``interrupts``: how often one came while results were opened.
    ``feeding`` is held while the input is read.  ``timeout``: seconds for each task.
    ``sink`` is where results go, see ``Chunk``.
    """

    if not TYPE_CHECKING:  # mypy would say that what subclasses set is in no slot of theirs
        __slots__ = ()

    method = ""
    """The name of the pool's method."""

    single = False
    """Whether the results are seen one by one."""

    is_single_task = False

    # Set when they are needed.
    sink: Any = None
    timeout: float | None = None
    recipe: Recipe | None = None
    on_error = "raise"
    returned: Sequence[Chunk] = ()
    taken: Sequence[Chunk] = ()
    resent: Sequence[Chunk] = ()
    tasks_open = 0
    exhausted = False
    abandoned = False
    interrupts = 0
    ended = False
    finished = False
    failed: BaseException | None = None
    callback: Any = None
    error_callback: Any = None
    has_callback = False
    feeding: Any  # a lock that knows who has it

    # In a pool of threads: what to call and how, whether a task has begun, whether anybody waits.
    target: Callable[..., Any]
    kind: int
    begun = False
    changed: threading.Condition | None = None
    waiting = False

    def __init__(self, function: str, pace: Pace, retries: int) -> None:
        self.number = next(numbers)
        self.function = function
        self.pace = pace
        self.retries = retries
        self.open: set[int] = set()

    @property
    def name(self) -> str:
        """Method and function, for people."""
        return f"{self.method}({self.function})"

    def call_back(self, callback: Any, error_callback: Any) -> None:
        """Have somebody called when the call has ended."""
        self.callback, self.error_callback = callback, error_callback
        self.has_callback = True

    def end(self) -> None:
        """The outcome is decided: give back what the call needed."""
        self.ended = True
        if self.recipe is not None and self.recipe.must_close:
            self.recipe.close()

    @property
    def recipe_text(self) -> bytes:
        """What every message says of the function."""
        return b"" if self.recipe is None else self.recipe.text

    def take_chunk(self, unsent: list[Chunk]) -> bool:
        """Move tasks for one message from the input to ``unsent``; False when there are none now.

        An interruption finds them moved completely or not at all: signals are looked for behind
        calls, so the last steps are stores and then the one call that appends the chunk.
        """
        raise NotImplementedError

    def give_back(self, chunks: Sequence[Chunk]) -> None:
        """Take chunks back that are to be sent again; the same ones twice count once."""
        kept = {chunk.first: chunk for chunk in (*self.returned, *chunks)}
        self.returned = list(kept.values())

    def settle(self, index: int, error: BaseException) -> Any:
        """Take in that a task ended with an exception; returns what goes into the sink for it."""
        raise NotImplementedError

    def complete(self) -> None:
        """Take in that every task has ended."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """End the call as a whole with this exception."""
        self.failed = error
        self.exhausted = True
        self.open = set()
        self.returned = ()

    def abandon(self) -> None:
        """Nobody will look at the results: send nothing more of the input."""
        self.exhausted = self.abandoned = True

    def seconds_to_sleep(self) -> float:
        """How long nothing needs to be done for this call."""
        return 0.0

    def is_ready(self) -> bool:
        """Whether who waits can have something: the outcome, or an iterator's next result."""
        return self.finished

    def is_done(self) -> bool:
        """Whether every task has ended."""
        in_hand = self.taken or self.resent
        return self.exhausted and not self.open and not self.returned and not in_hand

    def describe(self, index: int) -> str:
        """Name a task, for people."""
        return f"task {index:,} of {self.name}"

    def arguments(self, item: Any) -> str:
        """Show a task's function and arguments, shortened, for people."""
        return f"{self.function}({shown(as_given(item))})"


class ApplyCall(SingleCall, Call):
    """One task, whose result is in its chunk.

    ``item`` is the tuple of the arguments, or the pair of them and of keyword arguments, as
    ``has_keywords`` says.  Most of these are made and ended without this class, see ``TicketBook``.
    """

    if not TYPE_CHECKING:  # as above
        __slots__ = ()

    method = "apply"
    single = True
    is_single_task = True

    def __init__(self, function: str, pace: Pace, retries: int, item: tuple[Any, ...]) -> None:
        # Not the base's, to save a call.
        self.number = next(numbers)
        self.function = function
        self.pace = pace
        self.retries = retries
        self.open: set[int] = set()
        self.item: tuple[Any, ...] | None = item

    def only_chunk(self) -> Chunk | None:
        """The task, once."""
        item, self.item = self.item, None
        if self.exhausted or item is None:
            return None
        self.exhausted = True
        return Chunk(self, 0, (item,), None)

    def settle(self, index: int, error: BaseException) -> None:  # noqa: ARG002
        """Keep the exception."""
        self.error = error

    def complete(self) -> None:
        """Nothing is left to do: whoever ends the call has set the value."""

    def fail(self, error: BaseException) -> None:
        """End with this exception."""
        super().fail(error)
        self.error = error

    def describe(self, index: int) -> str:  # noqa: ARG002
        """Name the task, for people."""
        return self.name

    def arguments(self, item: Any) -> str:
        """Show the function and arguments, shortened, for people."""
        args, keywords = item if self.has_keywords else (item, {})
        texts = [shown(arg) for arg in args]
        texts += [f"{name}={shown(value)}" for name, value in keywords.items()]
        return f"{self.function}({', '.join(texts)})"


class MapCall(Call):
    """A function over a sequence, results in its order, all at once."""

    value: Any = None
    error: BaseException | None = None

    def __init__(
        self,
        method: str,
        function: str,
        pace: Pace,
        retries: int,
        items: Sequence[Any],
        on_error: str = "raise",
    ) -> None:
        super().__init__(function, pace, retries)
        self.method = method
        self.on_error = on_error
        self.feeding = threading.RLock()
        self._items = items
        self._next = 0
        self.sink = [None] * len(items)
        self._errors: dict[int, BaseException] = {}
        self.exhausted = not items

    def seconds_to_sleep(self) -> float:
        """How long nothing needs to be done for this call: no end, and workers have work."""
        left = self.pace.least_seconds_left(len(self._items) - self._next + self.tasks_open)
        if self.exhausted:
            return left / 2
        return min(left / 2, self.pace.least_seconds_left(self.tasks_open) / 3)

    def take_chunk(self, unsent: list[Chunk]) -> bool:
        """The next slice of the input, as long as the pace says."""
        if self.exhausted or len(self.open) + len(unsent) >= self.pace.window():
            return False
        first, total = self._next, len(self._items)
        items = self._items[first : first + self.pace.size(total - first)]
        stop = first + len(items)
        chunk = Chunk(self, first, items, self.sink)
        self._next, self.exhausted = stop, stop >= total
        unsent.append(chunk)
        return True

    def settle(self, index: int, error: BaseException) -> BaseException | None:
        """Keep the exception for its place."""
        if self.on_error == "return":
            return error
        self._errors[index] = error
        return None

    def complete(self) -> None:
        """Make the outcome: all values, or the first exception in the order of the input."""
        if self._errors:
            self.error = self._errors[min(self._errors)]
        else:
            self.value = self.sink

    def end(self) -> None:
        """Let the input go, and what the outcome was made of, which is made no more."""
        super().end()
        self.sink, self._items, self._errors = [], (), {}

    def fail(self, error: BaseException) -> None:
        """End with this exception."""
        super().fail(error)
        self.error = error

    def abandon(self) -> None:
        """Send nothing more."""
        super().abandon()
        self._next = len(self._items)
