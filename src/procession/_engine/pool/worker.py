"""What a worker process does: take a message, run its tasks, send what came of them.

A worker holds one message at a time.  The take is recorded in its claim before it happens, and
the place of the task begun last is written to the board before it begins, so whenever the
worker dies, the parent can tell what is lost: see ledger.py.

Results of calls that hand them out one by one (imap, apply) are sent one by one, at once; the
others as one message, and at the latest after 50 ms.

The loop over messages and tasks is the base class', in C or in Python (steps.py); here is what it
needs now and then.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from procession._engine.pool import memory
from procession._engine.pool.board import LEAVE, ORDER
from procession._engine.pool.failure import pack_failure, pack_refusal
from procession._engine.pool.parcel import pack, unpack
from procession._engine.pool.recipe import RecipeBook
from procession._engine.pool.steps import WorkLoop
from procession._engine.process.deafness import hear

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Final

    from procession._engine.pool.board import Board
    from procession._engine.pool.recipe import Method

__all__ = ["NO_FUNCTION", "NO_ITEMS", "SKIPPED", "START_FAILED", "Terms", "work"]

START_FAILED: Final = -1
"""In place of a ticket: the initializer raised."""

NO_FUNCTION: Final = 0
"""A message was refused: its function cannot be unpickled here."""

NO_ITEMS: Final = 1
"""A message was refused: one of its items cannot be unpickled here."""

SKIPPED: Final = 2
"""A message was not begun, as it was forbidden."""

Failures = dict[int, bytes]


class Terms:
    """What the pool was given for its workers; the same for each of them."""

    def __init__(
        self,
        initializer: Callable[..., object] | None,
        initargs: Iterable[Any],
        most_messages: int | None,
        most_memory: int | None,
        make_state: Callable[[], Any] | None,
        end_state: Callable[[Any], object] | None,
    ) -> None:
        self.initializer = initializer
        self.initargs = initargs
        self.most_messages = most_messages
        self.most_memory = most_memory
        self.make_state = make_state
        self.end_state = end_state


class Worker(WorkLoop):
    """The loop of one worker process, until it is told to stop or has done its share.

    SIGINT raises KeyboardInterrupt in tasks, as in any program, and nowhere else: Ctrl-C reaches
    all processes of a terminal, and a task may need to clean up; between tasks there is nothing to
    interrupt, as the parent decides whether the pool ends.
    """

    def __init__(self, tasks: Any, results: Any, board: Board, slot: int, terms: Terms) -> None:
        self._book = RecipeBook()
        self._replies = results
        self._board = board
        self._number = slot
        self._orders = board.words(slot)
        self._terms = terms
        super().__init__(tasks, results, self._book.methods, self._orders, slot)
        most = terms.most_memory
        self._gauge = None if most is None else memory.Gauge(most)
        self.bounded = self._gauge is not None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._on_interrupt)

    def _on_interrupt(self, *_: Any) -> None:
        if self.interruptible:
            self.interruptible = False
            raise KeyboardInterrupt

    _on_interrupt.raises_or_returns = True  # type: ignore[attr-defined]  # see interruptions.py

    def start(self) -> bool:
        """Run the initializer and make the state; returns whether the worker may work."""
        terms = self._terms
        try:
            self.interruptible = True
            if terms.initializer is not None:
                terms.initializer(*terms.initargs)
            if terms.make_state is not None:
                self._book.state = terms.make_state()
        except BaseException as error:  # the parent raises it
            self._replies.put((START_FAILED, self._number, pack_failure(error)))
            return False
        finally:
            self.interruptible = False
        return True

    def work(self) -> None:
        """Run the loop, and at its end give the state to who ends it."""
        terms = self._terms
        try:
            self.run(terms.most_messages)
        finally:
            if terms.end_state is not None:
                terms.end_state(self._book.state)

    # ---- what the loop asks for

    def may_begin(self, ticket: int) -> bool:
        """Follow the parent's order; returns whether a message is to be begun."""
        self.leave_if_told()
        if not self._board.is_forbidden(ticket):
            return True
        self._replies.put((ticket, SKIPPED, b""))
        return False

    def leave_if_told(self) -> None:
        """End this process if the parent wants it: see deadlines.py and cancelling.py."""
        if self._orders[ORDER] == LEAVE:
            sys.exit()

    def has_outgrown(self) -> bool:
        """Whether this process has more memory than it may."""
        return self._gauge is not None and self._gauge.is_exceeded()

    def learn(self, ticket: int, recipe: bytes) -> Method | None:
        """Read a recipe.  None, and the message is refused, when its function does not unpickle."""
        try:
            return self._book.learn(recipe)
        except BaseException as error:  # what the user's objects raise
            self._replies.put((ticket, NO_FUNCTION, pack_failure(error)))
            return None

    def open(self, ticket: int, data: bytes, buffers: Any) -> Sequence[Any] | None:
        """Open a parcel of items.  None, and the message is refused, when one does not unpickle."""
        try:
            items: Sequence[Any] = unpack(data, buffers)
        except BaseException as error:  # as above
            self._replies.put((ticket, NO_ITEMS, pack_failure(error)))
            return None
        return items

    def send(
        self, ticket: int, first: int, values: list[Any], failures: Failures | None, seconds: float
    ) -> None:
        """Send the results of consecutive tasks; those that cannot be pickled as failures."""
        try:
            self._put(ticket, first, values, failures, seconds)
        except BaseException as error:  # what a user's __reduce__ raises, SystemExit too
            if len(values) == 1:
                self._put(ticket, first, [None], {0: pack_refusal(error, values[0])}, seconds)
                return
            share = seconds / len(values)
            for offset, value in enumerate(values):
                failed = {0: failures[offset]} if failures and offset in failures else None
                self.send(ticket, first + offset, [value], failed, share)

    def send_failure(self, ticket: int, offset: int, error: BaseException, seconds: float) -> None:
        """Send the exception of a task."""
        self._put(ticket, offset, [None], {0: self.pack(error)}, seconds)

    def pack(self, error: BaseException) -> bytes:
        """Write down an exception."""
        return pack_failure(error)

    def leave_forked(self) -> None:
        """End a process that a task forked and that came back from the task.

        It is not the worker: the results, and the next message, are the worker's.
        """
        try:  # noqa: SIM105  # contextlib would be one import more for each worker
            sys.stdout.flush()
        except Exception:  # noqa: S110  # somebody's own stream, or a closed one
            pass
        os._exit(0)

    def _put(
        self, ticket: int, first: int, values: list[Any], failures: Failures | None, seconds: float
    ) -> None:
        data, buffers = pack(values)
        self._replies.put((ticket, first, len(values), data, buffers, failures, seconds))


def work(
    tasks: Any, results: Any, board: Board, slot: int, terms: Terms, hears: bool = False
) -> None:
    """Be a worker; the target of the pool's processes.

    ``hears``: SIGINT, which has been blocked until here, is to reach it.
    """
    _show_lines_at_once()
    worker = Worker(tasks, results, board, slot, terms)
    if hears:
        hear()
    if not worker.start():
        sys.exit(1)
    worker.work()


def _show_lines_at_once() -> None:
    """Write out what a task prints by the line, also into a file or pipe.

    A worker is ended by a signal when its pool is left by ``with``, which would lose what
    lies in a buffer.  Who prints nothing pays nothing.
    """
    configure = getattr(sys.stdout, "reconfigure", None)
    if configure is not None:
        try:  # noqa: SIM105  # as in leave_forked()
            configure(line_buffering=True)
        except Exception:  # noqa: S110  # as above
            pass
