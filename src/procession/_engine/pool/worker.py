"""What a worker process does: take a message, run its tasks, send what came of them.

A worker holds one message at a time.  The take is recorded in its claim before it happens, and
the place of the task begun last is written to the board before it begins, so whenever the
worker dies, the parent can tell what is lost: see ledger.py.

Results of calls that hand them out one by one (imap, apply) are sent one by one, at once; the
others as one message, and at the latest when FLUSH_SECONDS have passed.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from procession._engine.pool.board import IDLE, LEAVE
from procession._engine.pool.failure import MaybeEncodingError, pack_failure
from procession._engine.pool.parcel import PLAIN, pack, unpack
from procession._engine.pool.recipe import APPLY, STARMAP, RecipeBook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableSequence, Sequence

    from procession._engine.pool.board import Board
    from procession._engine.pool.recipe import Method

__all__ = ["NO_FUNCTION", "NO_ITEMS", "SKIPPED", "START_FAILED", "work"]

START_FAILED: Final = -1
"""In place of a ticket: the initializer raised."""

FLUSH_SECONDS: Final = 0.05

NO_FUNCTION: Final = 0
"""A message was refused: its function cannot be unpickled here."""

NO_ITEMS: Final = 1
"""A message was refused: one of its items cannot be unpickled here."""

SKIPPED: Final = 2
"""A message was not begun, as it was forbidden."""

Failures = dict[int, bytes]


class _Interruptible:
    """SIGINT raises KeyboardInterrupt in tasks, as in any program, and nowhere else.

    Ctrl-C reaches all processes of a terminal.  A task may need to clean up; between tasks
    there is nothing to interrupt, as the parent decides whether the pool ends.
    """

    def __init__(self) -> None:
        self.now = False
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._on_interrupt)

    def _on_interrupt(self, *_: Any) -> None:
        if self.now:
            self.now = False
            raise KeyboardInterrupt


class Worker:
    """The loop of one worker process, until it is told to stop or has done its share."""

    def __init__(self, tasks: Any, results: Any, board: Board, slot: int) -> None:
        self._tasks = tasks
        self._results = results
        self._board = board
        self._slot = slot
        self._book = RecipeBook()
        self._interruptible = _Interruptible()

    def start(self, initializer: Callable[..., object] | None, initargs: Iterable[Any]) -> bool:
        """Run the initializer; returns whether the worker may work."""
        try:
            if initializer is not None:
                self._interruptible.now = True
                initializer(*initargs)
        except BaseException as error:  # the parent raises it
            self._results.put((START_FAILED, self._slot, pack_failure(error, 1)))
            return False
        finally:
            self._interruptible.now = False
        return True

    def run(self, most_messages: int | None) -> None:
        """Work until a stop message comes or ``most_messages`` are done."""
        words, slot, take = self._board.words, self._slot, self._tasks.get_many
        order = self._board.order + slot
        done = 0
        while most_messages is None or done < most_messages:
            words[slot] = IDLE
            try:
                message = take(1, claim=slot)[0]
            except (EOFError, OSError):
                return
            if message is None:
                return
            if not words[order] or self._may_begin(message[0]):
                self._execute(message)
            del message
            done += 1
        words[slot] = IDLE

    def _may_begin(self, ticket: int) -> bool:
        """Follow the parent's order; returns whether a message is to be begun."""
        self._leave_if_told()
        if not self._board.is_forbidden(ticket):
            return True
        self._results.put((ticket, SKIPPED, b""))
        return False

    def _leave_if_told(self) -> None:
        """End this process if the parent wants it: see deadlines.py and cancelling.py."""
        if self._board.words[self._board.order + self._slot] == LEAVE:
            sys.exit()

    def _execute(self, message: tuple[Any, ...]) -> None:
        ticket = message[0]
        try:
            method = self._book.method(message[1])
        except BaseException as error:  # what the user's objects raise
            self._results.put((ticket, NO_FUNCTION, pack_failure(error)))
            return
        try:
            # A message of three is one task with a plain argument.
            items = message[2:] if len(message) == 3 else unpack(message[3], message[4])
        except BaseException as error:  # as above
            self._results.put((ticket, NO_ITEMS, pack_failure(error)))
            return
        if method.eager:
            self._run_eagerly(ticket, method, items)
        else:
            self._run_together(ticket, method, items)

    def _run_eagerly(self, ticket: int, method: Method, items: Sequence[Any]) -> None:
        """Run the tasks, and send each result as soon as it is there."""
        words, slot, call = self._board.words, self._slot, _caller(method)
        order = self._board.order + slot
        if method.timed:
            call = _timed(call, words, self._board.since + slot)
        interruptible, clock = self._interruptible, time.perf_counter
        for offset, item in enumerate(items):
            if words[order]:
                self._leave_if_told()
            words[slot] = offset
            begun = clock()
            try:
                interruptible.now = True
                value = call(item)
                interruptible.now = False
            except BaseException as error:  # it is the task's result
                interruptible.now = False
                self._send_failure(ticket, offset, error, clock() - begun)
                self._leave_if_told()
                continue
            self._send_one(ticket, offset, value, clock() - begun)
            del value

    def _run_together(self, ticket: int, method: Method, items: Sequence[Any]) -> None:
        """Run the tasks, and send their results together, now and then."""
        words, slot, call = self._board.words, self._slot, _caller(method)
        interruptible, clock = self._interruptible, time.perf_counter
        values: list[Any] = []
        failures: Failures = {}
        first, begun, look = 0, clock(), 1
        for offset, item in enumerate(items):
            words[slot] = offset
            if offset == look:
                spent = clock() - begun
                if spent > FLUSH_SECONDS:
                    self._send(ticket, first, values, failures, spent)
                    values, failures, first, begun = [], {}, offset, clock()
                look = offset + _stride(offset - first, spent)
            try:
                interruptible.now = True
                value = call(item)
                interruptible.now = False
            except BaseException as error:  # it is the task's result
                interruptible.now = False
                self._leave_if_told()
                failures[len(values)] = pack_failure(error, 1)
                value = None
            values.append(value)
        self._send(ticket, first, values, failures, clock() - begun)

    def _send_one(self, ticket: int, offset: int, value: Any, spent: float) -> None:
        if type(value) in PLAIN:
            with suppress(UnicodeError):  # half of a surrogate pair: only pickle takes it
                self._results.put((ticket, offset, value, spent))
                return
        self._send(ticket, offset, [value], {}, spent)

    def _send(
        self, ticket: int, first: int, values: list[Any], failures: Failures, spent: float
    ) -> None:
        """Send the results of consecutive tasks; those that cannot be pickled as failures."""
        try:
            self._put(ticket, first, values, failures, spent)
        except Exception as error:
            if len(values) == 1:
                self._put(ticket, first, [None], {0: _refusal(error, values[0])}, spent)
                return
            share = spent / len(values)
            for offset, value in enumerate(values):
                failed = {0: failures[offset]} if offset in failures else {}
                self._send(ticket, first + offset, [value], failed, share)

    def _put(
        self, ticket: int, first: int, values: list[Any], failures: Failures, spent: float
    ) -> None:
        data, buffers = pack(values)
        count = len(values)
        self._results.put((ticket, first, count, data, buffers, failures or None, spent))

    def _send_failure(self, ticket: int, offset: int, error: BaseException, spent: float) -> None:
        self._put(ticket, offset, [None], {0: pack_failure(error, 1)}, spent)


def work(
    tasks: Any,
    results: Any,
    board: Board,
    slot: int,
    initializer: Callable[..., object] | None,
    initargs: Iterable[Any],
    most_messages: int | None,
) -> None:
    """Be a worker; the target of the pool's processes."""
    _show_lines_at_once()
    worker = Worker(tasks, results, board, slot)
    if not worker.start(initializer, initargs):
        sys.exit(1)
    worker.run(most_messages)


def _show_lines_at_once() -> None:
    """Write out what a task prints by the line, also into a file or pipe.

    A worker is ended by a signal when its pool is left by ``with``, which would lose what
    lies in a buffer.  Who prints nothing pays nothing.
    """
    configure = getattr(sys.stdout, "reconfigure", None)
    if configure is not None:
        with suppress(Exception):  # somebody's own stream, or a closed one
            configure(line_buffering=True)


def _caller(method: Method) -> Callable[[Any], Any]:
    """The call of a function of one item, whatever the kind of the call."""
    function = method.function
    if method.kind == APPLY:
        return lambda item: function(*item[0], **item[1])
    if method.kind == STARMAP:
        return lambda item: function(*item)
    return function


def _timed(
    call: Callable[[Any], Any], words: MutableSequence[int], since: int
) -> Callable[[Any], Any]:
    """The same call, with the time when it began on the board while it runs."""
    clock = time.monotonic_ns

    def timed(item: Any) -> Any:
        words[since] = clock()
        try:
            return call(item)
        finally:
            words[since] = 0

    return timed


def _stride(done: int, spent: float) -> int:
    """How many tasks until the clock is looked at again: about a tenth of FLUSH_SECONDS."""
    return max(1, min(int(done * FLUSH_SECONDS / 10 / (spent + 1e-9)), 4 * (done + 1)))


def _refusal(error: Exception, value: Any) -> bytes:
    """A result that could not be sent, as the standard library tells it."""
    try:
        wrapped = MaybeEncodingError(error, value)
    except Exception:  # the value's __repr__ is the user's
        wrapped = MaybeEncodingError(error, f"<a {type(value).__name__} whose repr() fails>")
    wrapped.__cause__ = error
    return pack_failure(wrapped)
