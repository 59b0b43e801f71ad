"""A worker may die at any instruction.

We learn it from its sentinel, never from silence.  The ledger, with the worker's claim and its
word on the board, says what it held.  We replace the worker first and send its tasks
again second, so that a task that kills its workers cannot leave the pool smaller.
"""

from __future__ import annotations

from collections import deque

from procession._engine.errors import Attempt
from procession._engine.pool.ledger import Ledger, split_after_death
from procession._engine.pool.starts import Starts
from procession._engine.pool.steps import Chunk
from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procession._engine.errors import TaskTimeoutError
    from procession._engine.pool.engine import Engine

__all__ = ["Healer"]

_TAKE_SECONDS = 0.1
"""Wait so long for a result that is there and cannot be taken, before looking again."""


class _Loss(NamedTuple):
    """What a dead worker held, written down before its slot is given to another."""

    ticket: int
    place: int
    attempt: Attempt
    overrun: TaskTimeoutError | None
    was_asked: bool
    """Whether the worker was told to end."""
    ended: list[Chunk]
    """The task that has had its chances, once it is known."""


class Healer:
    """Replaces dead workers, and sends again what they held."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine = engine
        self._ledger = ledger
        self._losses: deque[_Loss] = deque()
        self.starts = Starts()

    def bury(self) -> bool:
        """Replace all workers that died; returns whether any was.  The collector calls it."""
        engine, crew = self._engine, self._engine.crew
        with engine.lock:
            if engine.closed or engine.stopping or engine.broken is not None:
                return False
            dead = crew.dead_slots()
            living = [slot for slot in range(crew.size) if slot not in dead]
            for slot in dead:
                self._write_down(slot, living)
        if not dead and not self._losses:
            return False
        self._take_in_all()
        with engine.lock:
            error = None
            for slot in dead:
                error = self._replace(slot) or error
            while self._losses:
                self._restore(self._losses[0])
                self._losses.popleft()
            if error is not None:
                engine.break_down(error)
        engine.feed_all()
        return any(crew.processes[slot].exitcode is None for slot in dead)

    def _take_in_all(self) -> None:
        """Take in every result that is in the queue, after the claims: see Ledger.held_by_dead.

        One take may bring a part of them only: so many messages, or so many bytes, or none at all
        while another process holds a lock of the queue's.
        """
        engine = self._engine
        put = engine.results.messages_put
        while not engine.closed and engine.results.messages_taken < put:
            engine.collect(_TAKE_SECONDS)

    def _write_down(self, slot: int, living: list[int]) -> None:
        ticket = self._ledger.held_by_dead(slot, living)
        if ticket is not None:
            crew = self._engine.crew
            process = crew.processes[slot]
            attempt = Attempt(process.pid, process.exitcode)
            place = crew.board.place(slot)
            overrun = self._engine.deadlines.verdict(slot, ticket, place)
            was_asked = crew.board.is_sent_away(slot)
            self._losses.append(_Loss(ticket, place, attempt, overrun, was_asked, []))
        self._engine.deadlines.forget(slot)
        self._ledger.forget_claim(slot)

    def _replace(self, slot: int) -> BaseException | None:
        """Start a worker in a slot; returns the error when the pool cannot go on.  Lock held."""
        engine, crew = self._engine, self._engine.crew
        process = crew.processes[slot]
        if slot not in crew.vacant:
            if process.exitcode != 0 and engine.wants_workers():
                engine.tally.deaths += not crew.board.is_sent_away(slot)
            error = self.starts.verdict(process, slot, crew)
            if error is not None:
                return error
        if not engine.wants_workers():
            return None
        try:
            crew.replace(slot)
        except OSError as error:
            # With fewer workers it goes on, and the slot is tried again later.
            return None if crew.living() else error
        engine.tally.replaced += 1
        return None

    def _restore(self, loss: _Loss) -> None:
        """Send again what was lost; what has had its chances ends.  Lock held."""
        chunk = self._ledger.chunk(loss.ticket)
        if chunk is None:  # its results came before the death
            return
        call = chunk.call
        begun = max(0, loss.place + 1 - chunk.delivered)
        again, ended = split_after_death(chunk, loss.place, loss.attempt, loss.overrun)
        if ended is not None:
            index, error = ended
            if not loss.ended:  # else an interruption came further down
                loss.ended.append(Chunk(call, index, (None,), call.sink))
            self._engine.settle(call, index, error, loss.ended[0])
        if self._engine.wants_workers():
            tally = self._engine.tally
            tally.retries += begun - (ended is not None)
            # A task may end its worker as one ends in good order: os._exit(0).
            tally.deaths += loss.attempt.exitcode == 0 and not loss.was_asked
        call.give_back(again)
        self._ledger.leave(loss.ticket)
        self._engine.note_returned(call)
