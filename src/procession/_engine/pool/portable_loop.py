"""The loop of a worker in Python, for the portable transport; see ``binding/work_loop.c``."""

from __future__ import annotations

import time

from procession._engine.pool import generation
from procession._engine.pool.board import (
    IDLE,
    ORDER,
    PACKING,
    PLACE,
    SINCE,
    TASKS,
    WAITING,
    WORKING,
)
from procession._engine.pool.portable_steps import is_plain
from procession._engine.pool.recipe import APPLY, STARMAP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from procession._engine.pool.recipe import Method

__all__ = ["WorkLoop"]

FLUSH_SECONDS: Final = 0.05

LOOK_NANOSECONDS: Final = 1_000_000
"""Work after which the memory in use is looked at: time enough to take some megabytes."""

Failures = dict[int, bytes]


class WorkLoop:
    """Takes messages and runs their tasks; what is rare is left to methods of a subclass."""

    def __init__(
        self, tasks: Any, results: Any, methods: dict[bytes, Method], words: memoryview, slot: int
    ) -> None:
        self._tasks = tasks
        self._results = results
        self._methods = methods
        self._words = words
        self._slot = slot
        self._generation = generation.current
        self.interruptible = False
        self.bounded = False
        self._looked_at = 0

    if TYPE_CHECKING:  # what the subclass has

        def may_begin(self, ticket: int) -> bool: ...
        def leave_if_told(self) -> None: ...
        def has_outgrown(self) -> bool: ...
        def learn(self, ticket: int, recipe: bytes) -> Method | None: ...
        def open(self, ticket: int, data: bytes, buffers: Any) -> Sequence[Any] | None: ...
        def send(
            self,
            ticket: int,
            first: int,
            values: list[Any],
            failures: Failures | None,
            seconds: float,
        ) -> None: ...
        def send_failure(
            self, ticket: int, offset: int, error: BaseException, seconds: float
        ) -> None: ...
        def pack(self, error: BaseException) -> bytes: ...
        def leave_forked(self) -> None: ...

    def run(self, most_messages: int | None) -> None:
        """Work until a stop message comes or ``most_messages`` are done."""
        words, clock, done = self._words, time.monotonic_ns, 0
        while most_messages is None or done < most_messages:
            words[PLACE] = IDLE
            begun = clock()
            try:
                message = self._tasks.get_many(1, claim=self._slot)[0]
            except (EOFError, OSError):
                return
            words[WAITING] += clock() - begun
            if message is None:
                break
            if not words[ORDER] or self.may_begin(message[0]):
                self._execute(message)
            del message
            done += 1
            if self.bounded and self._has_had_enough():
                break
        words[PLACE] = IDLE

    def _has_had_enough(self) -> bool:
        """Whether the worker is to end because of its memory, looked at now and then."""
        busy = self._words[WORKING] + self._words[PACKING]
        if busy - self._looked_at < LOOK_NANOSECONDS:
            return False
        self._looked_at = busy
        return self.has_outgrown()

    def _execute(self, message: tuple[Any, ...]) -> None:
        ticket, recipe = message[:2]
        method = self._methods.get(recipe) or self.learn(ticket, recipe)
        if method is None:
            return
        items = self._items(message)
        if items is None:
            return
        if method[2]:
            self._run_eagerly(ticket, method, items)
        else:
            self._run_together(ticket, method, items)

    def _items(self, message: tuple[Any, ...]) -> Sequence[Any] | None:
        if len(message) == 3:
            return message[2:]
        if len(message) == 4:
            return message[3]  # type: ignore[no-any-return]
        begun = time.monotonic_ns()
        items = self.open(message[0], message[3], message[4])
        self._words[PACKING] += time.monotonic_ns() - begun
        return items

    def _run_task(self, call: Callable[[Any], Any], offset: int, item: Any) -> Any:
        self._words[PLACE] = offset
        try:
            self.interruptible = True
            return call(item)
        finally:
            self.interruptible = False
            self._words[TASKS] += 1
            self._leave_if_forked()

    def _run_eagerly(self, ticket: int, method: Method, items: Sequence[Any]) -> None:
        """Run the tasks, and send each result as soon as it is there."""
        words, call, clock = self._words, _caller(method), time.monotonic_ns
        for offset, item in enumerate(items):
            if words[ORDER]:
                self.leave_if_told()
            begun = clock()
            words[SINCE] = begun if method[3] else 0
            error = value = None
            try:
                value = self._run_task(call, offset, item)
            except BaseException as raised:  # it is the task's result
                error = raised
            words[SINCE] = 0
            ended = clock()
            words[WORKING] += ended - begun
            seconds = (ended - begun) / 1e9
            if error is not None:
                self.send_failure(ticket, offset, error, seconds)
                self.leave_if_told()
                del error
            elif is_plain(value):
                self._results.put((ticket, offset, value, seconds))
            else:
                self.send(ticket, offset, [value], None, seconds)
            words[PACKING] += clock() - ended

    def _run_together(self, ticket: int, method: Method, items: Sequence[Any]) -> None:
        """Run the tasks, and send their results together, now and then."""
        clock = time.monotonic_ns
        function, spread, count = method[0], method[1] == STARMAP, len(items)
        values: list[Any] = []
        failures: Failures = {}
        first, begun, stop = 0, clock(), min(1, count)
        self._run_some(function, spread, items, first, stop, values, failures)
        while stop < count:
            spent = (clock() - begun) / 1e9
            if spent > FLUSH_SECONDS:
                self._send_batch(ticket, first, values, failures, begun)
                values, failures, first, begun = [], {}, stop, clock()
            stop = min(count, stop + _stride(stop - first, spent))
            self._run_some(function, spread, items, first, stop, values, failures)
        self._send_batch(ticket, first, values, failures, begun)

    def _run_some(
        self,
        function: Callable[..., Any],
        spread: bool,
        items: Sequence[Any],
        first: int,
        stop: int,
        values: list[Any],
        failures: Failures,
    ) -> None:
        """Run the tasks up to ``stop``; those from ``first`` on that have ended are in ``values``.

        The one that raised, or was interrupted, is the first that is not there.
        """
        begin = first + len(values)
        while (start := first + len(values)) < stop:
            try:
                try:
                    self.interruptible = True
                    self._run_row(function, spread, items, range(start, stop), values.append)
                finally:
                    self.interruptible = False
            except BaseException as error:  # it is the task's result
                self._leave_if_forked()
                if first + len(values) < stop:  # else SIGINT came when all had ended
                    self.leave_if_told()
                    failures[len(values)] = self.pack(error)
                    values.append(None)
        self._words[TASKS] += stop - begin

    def _run_row(
        self,
        function: Callable[..., Any],
        spread: bool,
        items: Sequence[Any],
        places: range,
        append: Callable[[Any], object],
    ) -> None:
        """Run tasks until one raises.

        There may be a hundred thousand of them, so for each is done what cannot be done later:
        its place, and a look whether it came back in a process that it forked.  A function by
        itself, as from 3.12 on the jump back of a loop can be outside of the ``try`` around it, and
        SIGINT strikes there.
        """
        words, mine = self._words, self._generation
        if spread:
            for place in places:
                words[PLACE] = place
                append(function(*items[place]))
                if generation.current is not mine:
                    self.leave_forked()
        else:
            for place in places:
                words[PLACE] = place
                append(function(items[place]))
                if generation.current is not mine:
                    self.leave_forked()

    def _leave_if_forked(self) -> None:
        if self._generation is not generation.current:
            self.leave_forked()

    def _send_batch(
        self, ticket: int, first: int, values: list[Any], failures: Failures, begun: int
    ) -> None:
        words, ended = self._words, time.monotonic_ns()
        words[WORKING] += ended - begun
        seconds = (ended - begun) / 1e9
        if not failures and is_plain(values):
            self._results.put((ticket, first, len(values), values, seconds))
        else:
            self.send(ticket, first, values, failures or None, seconds)
        words[PACKING] += time.monotonic_ns() - ended


def _caller(method: Method) -> Callable[[Any], Any]:
    """The call of a function of one item, whatever the kind of the call."""
    function, kind, _, _ = method
    if kind == APPLY:
        return lambda item: function(*item[0], **item[1])
    if kind == STARMAP:
        return lambda item: function(*item)
    return function


def _stride(done: int, spent: float) -> int:
    """How many tasks until the clock is looked at again: about a tenth of FLUSH_SECONDS."""
    return max(1, min(int(done * FLUSH_SECONDS / 10 / (spent + 1e-9)), 4 * (done + 1)))
