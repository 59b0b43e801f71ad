"""From calls to the task queue: what is sent to the workers, and when.

A call is fed by whoever has time: its caller at first, then whoever takes results.  ``feeding``
are the calls with something still to send.  User code (iterators, pickling of arguments) runs here,
and not under the engine's lock.

A KeyboardInterrupt may strike between any two bytecodes: chunks that were taken from a call are in
``unsent`` or in the ledger, and what the ledger has and the queue has not is taken back.
"""

from __future__ import annotations

from procession._engine.pool import mail
from procession._engine.pool.calls import ApplyCall, Call, numbers, part_of
from procession._engine.pool.results import ApplyResult
from procession._engine.pool.shared_buffers import SharedBuffers
from procession._engine.pool.states import TERMINATE
from procession._engine.pool.steps import Chunk, is_plain
from procession._engine.pool.stream_call import StreamCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from procession._engine.pool.engine import Engine
    from procession._engine.pool.ledger import Ledger

__all__ = ["Feeder"]

_BATCH: Final = 64  # messages put at once
_BATCH_TASKS: Final = 4_096  # or so many tasks: writing more takes time in which workers wait


class Feeder:
    """Sends the tasks of an engine's calls."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine = engine
        self._ledger = ledger
        self._lock = engine.lock
        self._tasks = engine.tasks
        self._shared = SharedBuffers()
        self.keep = self._shared.keep
        self.feeding: dict[int, Call] = {}
        ledger.lay_short_way(
            engine.lock.acquire,
            engine.lock.release,
            engine.calls,
            numbers,
            self.take_back_brief,
            ApplyResult,
        )

    def submit(self, call: Call) -> None:
        """Begin a call.  Raises what broke the pool, if it is broken."""
        if call.is_single_task:
            self._submit_single(call)  # type: ignore[arg-type]  # these are
            return
        with self._lock:
            self._engine.enter(call)
            if call.ended:
                return
            self.feeding[call.number] = call
        if isinstance(call, StreamCall) and call.reader is not None:
            call.reader.start()
        else:
            self.feed(call)

    def _submit_single(self, call: ApplyCall) -> None:
        """Begin a call of one task.  A plain one is on its way in one step."""
        if not is_plain(call.item):
            with self._lock:
                self._engine.enter(call)
            self._issue_single(call)
            return
        with self._lock:
            self._engine.enter(call)
            chunk = call.only_chunk()
            if chunk is None:
                return
            try:
                ticket = self._ledger.enter_one(chunk)
                self._tasks.put((ticket, call.recipe_text, chunk.items[0]))
            except BaseException as error:
                self._take_back_unput(error)

    def _issue_single(self, call: ApplyCall) -> None:
        chunk = call.only_chunk()
        if chunk is not None:
            self._issue([chunk])
        if not call.open:  # its argument was refused, or its result is there
            with self._lock:
                self._engine.end_if_done(call)

    def refill(self, call: StreamCall) -> None:
        """Make use of the room for more input that results taken have left."""
        if call.reader is not None:
            call.reader.resume()
        if not call.exhausted and call.wants_input():
            self.feed(call)
        call.note_refilled()

    def feed(self, call: Call) -> None:
        """Send as much of a call's input as should be on its way.

        Does nothing when another thread is at it, or this one, in the call's own input.
        """
        unsent: list[Chunk] = []
        lock = call.feeding
        if lock._is_owned():  # noqa: SLF001  # as threading.Condition does
            return
        try:
            if not lock.acquire(blocking=False):
                return
            call.taken = unsent
            while self._take_chunks(call, unsent):
                self._issue(unsent)
        except BaseException:
            self._give_back_unsent(call, unsent)
            raise
        finally:
            # Whether it was acquired nobody can have noted: an interruption may come before that.
            try:  # noqa: SIM105  # nor may any call come before this one
                lock.release()
            except RuntimeError:
                pass
        if call.exhausted:
            self._end_feeding(call)

    def _end_feeding(self, call: Call) -> None:
        try:
            with self._lock:
                if not call.returned:
                    self.feeding.pop(call.number, None)
                self._engine.end_if_done(call)
        except BaseException:
            self._engine.note_interrupted()
            raise

    def feed_from_reader(self, call: Call) -> None:
        """Send on what was read from an input, in the thread that reads it."""
        if self._engine.collector.is_at_work:
            self._engine.collector.wake()
        else:
            self.feed(call)

    def feed_all(self) -> None:
        """Send on: what came back first, then what the inputs have."""
        if not self.feeding:
            return
        for call in list(self.feeding.values()):
            if call.returned:
                self._send_returned(call)
            if call.is_single_task:
                self._end_feeding(call)
            else:
                self.feed(call)

    def _send_returned(self, call: Call) -> None:
        """Send again what came back."""
        unsent: list[Chunk] = []
        try:
            with self._lock:
                if not call.is_single_task:  # nobody else ends one of these meanwhile
                    call.resent = unsent
                unsent.extend(call.returned)
                call.returned = ()
            self._issue(unsent)
        except BaseException:
            self._give_back_unsent(call, unsent)
            raise

    def _give_back_unsent(self, call: Call, unsent: list[Chunk]) -> None:
        """An interruption came between the taking of chunks and the putting of messages."""
        with self._lock:
            self._engine.note_interrupted()
            if unsent and not call.ended and not call.abandoned:
                call.give_back(unsent)
            unsent.clear()
            if not call.ended:
                self._engine.note_returned(call)

    def _take_chunks(self, call: Call, unsent: list[Chunk]) -> bool:
        """Take chunks from a call's input; returns whether there were any."""
        room = _BATCH_TASKS
        while room > 0 and len(unsent) < _BATCH and self._engine.state != TERMINATE:
            if not call.take_chunk(unsent):
                break
            room -= unsent[-1].size
        return bool(unsent)

    def _issue(self, unsent: list[Chunk]) -> None:
        """Pack chunks into messages and put them; what cannot be packed ends here.

        Chunks leave the list when the ledger has them.
        """
        bodies = self._packed(unsent)
        if not bodies:
            return
        with self._lock:
            if self._engine.state == TERMINATE or self._engine.broken is not None:
                unsent.clear()
                return
            bodies = [body for body in bodies if not body[0].call.ended]
            try:
                tickets = self._ledger.enter([chunk for chunk, _ in bodies])
                unsent.clear()
                self._tasks.put_many(
                    [(ticket, *body) for ticket, (_, body) in zip(tickets, bodies, strict=True)]
                )
            except BaseException as error:
                self._take_back_unput(error)

    def _packed(self, unsent: list[Chunk]) -> list[tuple[Chunk, mail.Body]]:
        """Write the messages; what is refused leaves the list.

        An interruption finds a chunk in the list or its parts, and what was refused as delivered.
        """
        bodies: list[tuple[Chunk, mail.Body]] = []
        while len(bodies) < len(unsent):
            place = len(bodies)
            chunk = unsent[place]
            if chunk.delivered:  # before an interruption
                del unsent[place]
                continue
            try:
                bodies.append((chunk, mail.body(chunk, self._shared)))
            except mail.Refused as refused:
                if chunk.size > 1:
                    parts = range(chunk.size)
                    unsent[place : place + 1] = [
                        part_of(chunk, part, part + 1, chunk.attempts) for part in parts
                    ]
                    continue
                with self._lock:
                    self._engine.settle(chunk.call, chunk.first, refused.reason, chunk)
                del unsent[place]
        return bodies

    def _take_back_unput(self, error: BaseException) -> None:
        """A put raised: take back what is not in the queue.  Lock held.

        Without memory or descriptors the calls cannot go on; after an interruption they can.
        """
        for chunk in self._ledger.retract_unput():
            if isinstance(error, Exception):
                self._engine.end_with(chunk.call, error)
            else:
                chunk.call.give_back((chunk,))
                self._engine.note_returned(chunk.call)
        if not isinstance(error, Exception):
            raise error

    def take_back_brief(self, call: Call, error: BaseException) -> None:
        """The same for a call that goes the short way."""
        try:
            self._take_back_unput(error)
        except BaseException:
            self._engine.abandon(call)
            raise
