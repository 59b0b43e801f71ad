"""From the result queue to the calls: results are taken in, and calls learn of it.

Whoever has the collector's role takes in for all.  What needs no Python goes from the queue to
where it belongs in C (``take_results``, binding/intake.c); failures, parcels, reports, and
chunks that have come to their end or have a time to learn from, go into ``_inbox`` first.

A KeyboardInterrupt may strike between any two bytecodes.  So results go from the queue to where
they belong, or into the inbox, within one call of C; what is in the inbox stays there until it
was taken in completely, and taking it in again changes nothing.
"""

from __future__ import annotations

from collections import deque

from procession._engine.pool import mail
from procession._engine.pool.states import CLOSE
from procession._engine.pool.steps import take_results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from procession._engine.pool.engine import Engine
    from procession._engine.pool.ledger import Ledger
    from procession._engine.pool.steps import Chunk

__all__ = ["Intake"]

_MOST_TAKEN: Final = 1024  # messages taken at once


class Intake:
    """Takes in the results of an engine's workers.

    ``interrupted``: something may not have been done to its end, and is to be made up for.
    """

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine = engine
        self._ledger = ledger
        self._lock = engine.lock
        self._results = engine.results
        self._calls = engine.calls
        self._feeding = engine.feeding
        self._starts = engine.healer.starts
        self._inbox: deque[Any] = deque()
        self._taking: tuple[Any, ...] = ()  # entries that are being opened
        self.interrupted = False

    def collect(self, timeout: float = 0.0) -> bool:
        """Take in what is there, waiting for it up to ``timeout`` seconds, and feed.

        Returns whether there was anything.  For the collector.
        """
        try:
            # One call of C: no signal can come between the queue and where results belong.
            taken = take_results(
                self._results, self._ledger, self._inbox.append, _MOST_TAKEN, timeout
            )
        except (OSError, ValueError):
            if self._engine.closed:
                return False
            raise
        if not taken and not self._inbox and not self.interrupted:
            return False
        self._take_in_inbox()
        if self._feeding:
            self._engine.feed_all()
        return True

    def _take_in_inbox(self) -> None:
        """Take in what is in the inbox, and tell who waits."""
        inbox = self._inbox
        try:
            while inbox:
                place = self._next_in_turn() if self._taking else 0
                if place < 0:
                    break
                entry = inbox[place]
                self._take_in(entry)
                self._drop(entry)
            with self._lock:
                self._engine.collector.notify_followers()
                self._make_up_for_interruption()
        except BaseException:
            self.interrupted = True
            raise

    def _next_in_turn(self) -> int:
        """What to take in while an object is being opened, and uses the pool: -1 for nothing."""
        for place, entry in enumerate(tuple(self._inbox)):
            is_being_taken = any(entry is other for other in self._taking)
            if not is_being_taken and mail.is_in_turn(entry, self._ledger.chunks):
                return place
        return -1

    def _drop(self, entry: Any) -> None:
        """Take an entry out of the inbox; what a user's object did meanwhile may have moved it."""
        inbox = self._inbox
        if inbox and inbox[0] is entry:
            del inbox[0]
            return
        for place, other in enumerate(tuple(inbox)):
            if other is entry:
                del inbox[place]
                return

    def _take_in(self, entry: Any) -> None:
        """Take in what asks for more than to be put in its place.

        None is from somebody who wakes the collector.  Parcels are opened without the lock.
        """
        values = None
        if type(entry) is tuple and mail.is_parcel(entry):
            chunk = self._ledger.chunk(entry[0])
            if chunk is None:
                return
            taking = self._taking
            self._taking = (*taking, entry)
            try:
                values = mail.opened(entry, chunk.call)
            finally:
                self._taking = taking
        with self._lock:
            if type(entry) is tuple:
                self._take_in_message(entry, values)
            elif entry is not None:
                self._look_at(entry)

    def _take_in_message(self, message: tuple[Any, ...], values: Any) -> None:
        if self._starts.is_report(message):
            self._starts.take_in(message)
            return
        chunk = self._ledger.chunk(message[0])
        if chunk is not None:
            self._ledger.ended -= mail.take_in(message, chunk, values)
            self._look_at(chunk)

    def _look_at(self, chunk: Chunk) -> None:
        """Results of a chunk came: learn from their times, and see whether it has ended."""
        call: Any = chunk.call
        if chunk.ran:
            call.pace.learn(chunk.ran, chunk.seconds)
            chunk.ran, chunk.seconds = 0, 0.0
        if chunk.delivered < chunk.size or chunk.ticket not in self._ledger.chunks:
            return
        if not call.is_single_task or call.failed is not None or call.returned:
            self._ledger.leave(chunk.ticket)
            self._engine.note_returned(call)
            return
        # The short form of what happens at the end of every call, in an order that allows it
        # to be done again after an interruption.
        call.value = chunk.value
        if call.has_callback or call.timeout is not None:
            self._ledger.leave(chunk.ticket)
            self._engine.end_if_done(call)
            return
        call.ended = call.finished = True
        if call.recipe.must_close:
            call.recipe.close()
        self._calls.pop(call.number, None)
        del self._ledger.chunks[chunk.ticket]
        self._ledger.ended += 1
        if self._engine.state is CLOSE and not self._calls:
            self._engine.stop_workers()

    def _make_up_for_interruption(self) -> None:
        if self.interrupted:
            self.interrupted = False
            for call in list(self._engine.known_calls().values()):
                self._engine.make_up_for(call)
