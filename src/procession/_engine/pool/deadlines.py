"""Tasks that run for longer than they may.

A worker writes onto the board when a task with a time limit begins, and clears that before it
sends the result.  Whoever has the role of the collector looks at these times, just when the
first of them can be over, and kills the worker; the healer replaces it, and asks here what the
death means.

No other task may suffer from a late look, so first the worker is told, on the board, to
leave before its next task, and then looked at again.  Either the same task still runs, and whatever
the worker does now, it begins no other before the kill comes; or it had ended, and the worker
leaves by itself or after its next task.
"""

from __future__ import annotations

import time

from procession._engine.errors import TaskTimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from procession._engine.pool.calls import Call
    from procession._engine.pool.crew import Crew
    from procession._engine.pool.ledger import Ledger
    from procession._engine.pool.steps import Chunk

__all__ = ["Deadlines"]

_KILL_AGAIN_SECONDS: Final = 0.05
"""Look so often at a worker that was killed and has not ended."""


class Deadlines:
    """The calls with a time limit that are under way, and the tasks that ran over."""

    def __init__(self, crew: Crew, ledger: Ledger) -> None:
        self._crew = crew
        self._ledger = ledger
        self._limits: dict[int, float] = {}
        self._condemned: dict[int, tuple[int, int]] = {}

    def __bool__(self) -> bool:
        """Whether any task under way has a time limit."""
        return bool(self._limits)

    def enter(self, call: Call) -> None:
        """A call with a time limit begins.  Lock held."""
        if call.timeout is not None:
            self._limits[call.number] = call.timeout

    def leave(self, call: Call) -> None:
        """A call has ended.  Lock held."""
        self._limits.pop(call.number, None)

    def sweep(self) -> float | None:
        """Kill the workers of tasks that ran over; returns in how many seconds to look again.

        None without time limits.  For the collector, engine's lock held.
        """
        limits = self._limits
        if not limits:
            return None
        # A task that begins after this look has at least so long.
        wait = min(limits.values())
        for slot, process in enumerate(self._crew.processes):
            left = self._seconds_left(slot)
            if left is not None and process.exitcode is None:
                if left <= 0:
                    self._condemn(slot, process)
                    left = _KILL_AGAIN_SECONDS
                wait = min(wait, left)
        return wait

    def _seconds_left(self, slot: int) -> float | None:
        """How long the task of a worker may run on; None when nobody limits it."""
        begun = self._crew.board.begun(slot)
        chunk = self._chunk(slot) if begun else None
        limit: float | None = None if chunk is None else chunk.call.timeout
        if limit is None:
            return None
        return limit - (time.monotonic_ns() - begun) / 1e9

    def _condemn(self, slot: int, process: Any) -> None:
        board = self._crew.board
        begun, place, ticket = board.begun(slot), board.place(slot), self._ticket(slot)
        board.send_away(slot)
        left = self._seconds_left(slot)
        if left is None or left > 0 or begun != board.begun(slot):
            return
        self._condemned[slot] = (ticket, place)
        getattr(process, "kill", process.terminate)()

    def verdict(self, slot: int, ticket: int, place: int) -> TaskTimeoutError | None:
        """The error of the task that died with the worker in ``slot``, if it ran over."""
        chunk = self._ledger.chunk(ticket)
        if chunk is None or self._condemned.get(slot) != (ticket, place):
            return None
        call, process = chunk.call, self._crew.processes[slot]
        index = None if call.is_single_task else chunk.first + place
        task = call.arguments(chunk.items[place])
        return TaskTimeoutError(task, index, call.timeout or 0.0, process.pid)

    def forget(self, slot: int) -> None:
        """The slot will be another worker's."""
        self._condemned.pop(slot, None)

    def _ticket(self, slot: int) -> int:
        return self._ledger.claim(slot)

    def _chunk(self, slot: int) -> Chunk | None:
        return self._ledger.chunk(self._ticket(slot))
