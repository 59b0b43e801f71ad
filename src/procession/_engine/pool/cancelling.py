"""Calls that are no longer wanted.

A task that waits in the queue cannot be taken out of it, so it is struck off: its ticket stands on
a list in shared memory, and a worker that takes a message looks there before it begins.  The
ticket is written first and the queue's counter read second; the worker takes first and
reads second.  So either the parent sees that the message was taken, or the worker sees that
it is struck off.  Where both happen, the parent says no, and the worker tells that it skipped the
message, which is then sent again.

A task that runs is interrupted by SIGINT, as by Ctrl-C, and its worker killed if that does not
end it.  As with time limits (deadlines.py) the worker is first told to leave, so that neither
signal can hit the task of another call.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from procession._engine.pool.calls import Call
    from procession._engine.pool.engine import Engine
    from procession._engine.pool.ledger import Ledger

__all__ = ["Canceller"]

_AGAIN_SECONDS: Final = 0.05
"""An interrupt may come between two tasks, where it does nothing: send another one so soon."""


class _Interrupt(NamedTuple):
    pid: int
    ticket: int
    kill_at: float


class Canceller:
    """Strikes calls off, and interrupts workers.  All under the engine's lock."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine = engine
        self._ledger = ledger
        self._interrupts: dict[int, _Interrupt] = {}

    def __bool__(self) -> bool:
        """Whether some worker is being interrupted."""
        return bool(self._interrupts)

    def cancel(self, call: Call, *, running: bool, grace: float) -> bool:
        """End a call with CancelledError; returns whether it is cancelled.

        ``running``: even if tasks of it run; they are interrupted, and killed after ``grace``
        seconds.
        """
        from concurrent.futures import CancelledError  # noqa: PLC0415  # it imports much

        engine = self._engine
        with engine.lock:
            if call.ended:
                return isinstance(call.failed, CancelledError)
            tickets = sorted(call.open)
            begun = self._strike_off(tickets)
            if begun is None or (begun and not running):
                engine.crew.board.allow(tickets)
                return False
            kill_at = time.monotonic() + grace
            for slot, process in enumerate(engine.crew.processes):
                ticket = self._ledger.claim(slot)
                if ticket in begun:
                    self._interrupts[slot] = _Interrupt(process.pid, ticket, kill_at)
            for ticket in tickets:
                self._ledger.leave(ticket)
            engine.end_with(call, CancelledError(f"{call.name} was cancelled"))
            if self._interrupts:
                self.sweep()
                engine.collector.wake()
        engine.supervise()
        return True

    def _strike_off(self, tickets: list[int]) -> set[int] | None:
        """Forbid messages; returns those that a worker has, None when there is no room."""
        tasks, board = self._engine.tasks, self._engine.crew.board
        if not board.forbid(tickets, tasks.messages_taken):
            return None
        taken = tasks.messages_taken
        return {ticket for ticket in tickets if ticket < taken}

    def sweep(self) -> float | None:
        """Interrupt those that are to be interrupted; returns in how many seconds to look again.

        None when there is none.  For the collector, engine's lock held.
        """
        for slot, interrupt in list(self._interrupts.items()):
            if not self._interrupt(slot, interrupt):
                del self._interrupts[slot]
        return _AGAIN_SECONDS if self._interrupts else None

    def _interrupt(self, slot: int, interrupt: _Interrupt) -> bool:
        """Send a signal to who still runs a struck task; False when nothing is left to do."""
        crew = self._engine.crew
        process = crew.processes[slot]
        late = time.monotonic() >= interrupt.kill_at
        if process.pid != interrupt.pid or process.exitcode is not None:
            return False
        if not self._runs(slot, interrupt.ticket):
            return not late
        crew.board.send_away(slot)
        if not self._runs(slot, interrupt.ticket):
            return False
        if late:
            getattr(process, "kill", process.terminate)()
        else:
            with suppress(OSError):
                os.kill(process.pid, signal.SIGINT)
        return True

    def _runs(self, slot: int, ticket: int) -> bool:
        board = self._engine.crew.board
        return self._ledger.claim(slot) == ticket and board.place(slot) >= 0
