"""Chunks, lines and the intake in Python, for the portable transport; see ``steps``.

Unlike in C, a KeyboardInterrupt can come between any two of these lines.  So a result is put where
it belongs before it is counted, and putting it there twice does no harm, but for an unordered
line, which may then give a result twice.
"""

from __future__ import annotations

import threading
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from typing_extensions import Self

    from procession._engine.errors import Attempt

__all__ = [
    "Chunk",
    "InputIterator",
    "PendingResult",
    "ResultIterator",
    "ResultLine",
    "SingleCall",
    "TicketBook",
    "is_plain",
    "run_tasks",
    "take_results",
]

_PLAIN = frozenset({int, float, str, bytes, bool, type(None)})


class ResultLine:
    """Results until they are taken; ``ordered``: in the order of their indices.

    When ``refill_at`` results are taken, who takes is to look for room.
    """

    def __init__(self, *, ordered: bool) -> None:
        self._ordered = ordered
        self._line: deque[Any] = deque()
        self._early: dict[int, Any] = {}
        self._lined = 0
        self._closed = False
        self.refill_at = 0
        self._putting = threading.RLock()

    def __len__(self) -> int:
        return len(self._line)

    @property
    def taken(self) -> int:
        """How many results were taken."""
        return self._lined - len(self._line)

    def put(self, index: int, value: Any) -> None:
        """Put in the result of a task; in an ordered line a second one is ignored."""
        with self._putting:
            if not self._closed:
                self._put(index, value)

    def _put(self, index: int, value: Any) -> None:
        if self._ordered and index != self._lined:
            if index > self._lined:
                self._early[index] = value
            return
        self._line.append(value)
        self._lined += 1
        while self._lined in self._early:
            self._line.append(self._early[self._lined])
            self._lined += 1
            del self._early[self._lined - 1]

    def put_many(self, first: int, values: list[Any]) -> None:
        """Put in the results of consecutive tasks."""
        for index, value in enumerate(values, first):
            self.put(index, value)

    def close(self) -> None:
        """Ignore results from now on; those that are there can be taken."""
        self._closed = True

    def take(self) -> Any:
        """Take the first result.  Raises LookupError when none is there."""
        return self._line.popleft()


class ResultIterator:
    """A base class, whose ``next()`` takes results."""

    def __init__(self, line: ResultLine, failure: type) -> None:
        """As the form in C, which takes some by itself."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self.next()  # type: ignore[attr-defined]  # the subclass has it


class InputIterator:
    """The items of ``source``; those that somebody else could change as ``keep(item)``."""

    def __init__(self, source: Iterator[Any], keep: Callable[[Any], Any]) -> None:
        self._source = source
        self._keep = keep
        self._unkept: list[Any] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if not self._unkept:
            item = next(self._source)
            if _cannot_change(item):
                return item
            self._unkept.append(item)
        kept = self._keep(self._unkept[0])
        self._unkept.clear()
        return kept


class Chunk:
    """Consecutive tasks of a call that travel as one message.

    ``sink`` is where results go: a list, a ResultLine, or None: the chunk's own ``value``.
    ``kept`` must live until the tasks have ended.  ``delivered`` is how many tasks have ended;
    ``attempts`` the deaths of workers that each of them is blamed for; ``ran`` and ``seconds`` what
    the call's pace has not learned yet.
    """

    __slots__ = (
        "attempts",
        "call",
        "delivered",
        "first",
        "items",
        "kept",
        "ran",
        "seconds",
        "sink",
        "size",
        "ticket",
        "value",
    )

    def __init__(
        self,
        call: Any,
        first: int,
        items: Sequence[Any],
        sink: Any,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        self.call = call
        self.first = first
        self.items = items
        self.sink = sink
        self.attempts = attempts
        self.size = len(items)
        self.ticket = -1
        self.kept: Any = None
        self.delivered = 0
        self.value: Any = None
        self.ran = 0
        self.seconds = 0.0

    def deliver(self, offset: int, values: Sequence[Any], seconds: float) -> None:
        """Take in results of the tasks from ``offset`` on; those taken in before are left alone."""
        known = max(0, self.delivered - offset)
        if known >= len(values):
            return
        first, sink = self.first + offset + known, self.sink
        end = first + len(values) - known
        if type(sink) is not list:
            for place in range(known, len(values)):
                self._put(self.first + offset + place, values[place])
                self.delivered = offset + place + 1
        elif end <= len(sink):  # else the call has ended, and its list was emptied
            sink[first:end] = values[known:] if known else values
        self.delivered = offset + len(values)
        self.ran += len(values) - known
        self.seconds += seconds

    def _put(self, index: int, value: Any) -> None:
        if self.sink is None:
            self.value = value
        else:
            self.sink.put(index, value)


class SingleCall:
    """The fields of a call of one task; in C they are one block of memory."""

    number: Any = None
    function: Any = None
    pace: Any = None
    retries: Any = None
    recipe: Any = None
    item: Any = None
    returned: Any = ()
    value: Any = None
    error: Any = None
    failed: Any = None
    callback: Any = None
    error_callback: Any = None
    timeout: Any = None
    target: Any = None
    kind: Any = None
    changed: Any = None
    tasks_open = 0
    interrupts = 0
    waiting = False
    exhausted = False
    abandoned = False
    ended = False
    finished = False
    begun = False
    has_callback = False
    has_keywords = False


class PendingResult:
    """A base class: whose result it is, and how its value is got."""

    __slots__ = ("_call", "_engine", "_pool")

    _call: Any
    wait: Any  # the subclass has these
    _say_late: Any
    _outcome: Any

    def _has_ended(self) -> bool:
        return bool(self._call.finished)

    def get(self, timeout: float | None = None) -> Any:
        """Return what the call returned, or raise what it raised.

        Raises multiprocessing.TimeoutError when it has not ended after ``timeout`` seconds.
        """
        if not self._call.finished:
            self.wait(timeout)
            if not self._call.finished:
                self._say_late(timeout)
        return self._outcome()


class TicketBook:
    """The table of messages on their way; here without the short way of single calls."""

    def __init__(self, tasks: Any) -> None:
        self.tasks = tasks
        self.chunks: dict[int, Chunk] = {}
        self.next = 0
        self.ended = 0
        self.is_open = False
        self.unseen = 0

    def lay_short_way(
        self,
        acquire: Any,
        release: Any,
        calls: dict[int, Any],
        numbers: Iterator[int],
        take_back: Callable[[Any, BaseException], object],
        result_type: type,
    ) -> None:
        """Nothing: no call goes it."""

    def expect(self, function: Any, latest: Any, recipe_text: bytes, is_of_main: bool) -> None:
        """Nothing, as above."""

    def apply_async(self, pool: Any, engine: Any, function: Any, arguments: Any) -> Any:  # noqa: ARG002
        """None: the call does not fit the short way."""
        return None

    def show_calls(self) -> None:
        """Nothing: all of them are seen."""


def take_results(
    queue: Any,
    book: TicketBook,  # noqa: ARG001  # the form in C delivers some of them itself
    append: Callable[[Any], object],
    most: int,
    timeout: float | None,
) -> int:
    """Wait for messages and append them; returns how many, 0 when there was none in time."""
    count: int = queue.hand_over(append, most, timeout)
    return count


def run_tasks(
    function: Callable[..., Any], items: Iterator[Any], values: list[Any], spread: bool
) -> None:
    """Append ``function(item)`` to ``values``, or ``function(*item)``, for each item.

    Raises what a task raises, also StopIteration; the iterator then stands behind that task.
    """
    append = values.append
    if spread:
        for item in items:
            append(function(*item))
    else:
        for item in items:
            append(function(item))


def _cannot_change(obj: Any) -> bool:
    if type(obj) is tuple:
        return _PLAIN.issuperset(map(type, obj))
    return type(obj) in _PLAIN


def is_plain(obj: Any) -> bool:
    """Whether a message of this object cannot fail to be read: only exact built-in types."""
    if type(obj) in (tuple, list):
        return _PLAIN.issuperset(map(type, obj))
    return type(obj) in _PLAIN
