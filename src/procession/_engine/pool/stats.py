"""What a pool has done so far, as plain figures, and where they come from.

Nothing is measured for it.  Workers count on the board in any case, each in its own words; the
ledger knows what is on its way; the queues count their bytes; deaths are written down by who
replaces the dead.  Asking reads these.  When the pool gives its memory back, the figures of
that moment are kept.
"""

from __future__ import annotations

from procession._engine.pool.board import (
    BYTES_IN,
    BYTES_OUT,
    PACKING,
    TASKS,
    WAITING,
    WORKING,
)
from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from procession._engine.pool.engine import Engine
    from procession._engine.pool.ledger import Ledger

__all__ = ["PoolStats", "Tally", "WorkerStats"]

_NANOSECONDS: Final = 1e9


class WorkerStats(NamedTuple):
    """What one worker has done since it started, up to its latest message.

    ``slot``: its place in the pool, from 0; a replacement has the place of the one before.
    ``pid``: its process id.  ``tasks``: those that it ran to their end, with a result or an
    exception.  ``seconds_working``: time in tasks; ``seconds_waiting``: with nothing to do;
    ``seconds_packing``: for unpickling arguments, and for pickling and sending results.
    ``bytes_in``, ``bytes_out``: what it took and sent, arrays included; None where bytes are not
    counted (portable transport, threads).
    """

    slot: int
    pid: int | None
    tasks: int
    seconds_working: float
    seconds_waiting: float
    seconds_packing: float
    bytes_in: int | None
    bytes_out: int | None


class PoolStats(NamedTuple):
    """What a pool has done since it was made.

    ``tasks_done``: tasks that ended, each counted once, with a result or an exception.
    ``tasks_in_flight``: those that were sent and have not ended: on their way, running, or to be
    sent again.  ``retries``: those that had begun and were sent again, as their worker died.

    ``deaths``: workers that died: not those that ended in good order, and not those that we
    killed for a time limit or a cancellation.  ``replaced``: workers that were replaced, whatever
    ended them.

    ``bytes_to_workers``, ``bytes_from_workers``: what was sent to them and taken from them, arrays
    included; None where bytes are not counted (portable transport, threads).

    ``seconds_working``, ``seconds_waiting``, ``seconds_packing``: as in ``WorkerStats``, of all
    workers that the pool ever had.  ``workers``: those of now, by slot; after the end of the
    pool, the last ones.
    """

    tasks_done: int
    tasks_in_flight: int
    retries: int
    deaths: int
    replaced: int
    bytes_to_workers: int | None
    bytes_from_workers: int | None
    seconds_working: float
    seconds_waiting: float
    seconds_packing: float
    workers: tuple[WorkerStats, ...]


class Tally:
    """Counts what nobody else counts, and reads the rest.  All under the engine's lock."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine = engine
        self._ledger = ledger
        self._last: PoolStats | None = None
        self.retries = 0
        self.deaths = 0
        self.replaced = 0

    def close(self) -> None:
        """Keep the figures of now: the pool gives its memory back."""
        self._last = self._read()._replace(tasks_in_flight=0)

    def stats(self) -> PoolStats:
        """Return the figures."""
        return self._read() if self._last is None else self._last

    def _read(self) -> PoolStats:
        engine = self._engine
        done, in_flight = self._ledger.count()
        in_flight += sum(
            chunk.size for call in engine.calls.values() for chunk in tuple(call.returned)
        )
        sent = getattr(engine.tasks, "bytes_put", None)
        board = engine.crew.board
        return PoolStats(
            tasks_done=done,
            tasks_in_flight=in_flight,
            retries=self.retries,
            deaths=self.deaths,
            replaced=self.replaced,
            bytes_to_workers=sent,
            bytes_from_workers=getattr(engine.results, "bytes_taken", None),
            seconds_working=board.total(WORKING) / _NANOSECONDS,
            seconds_waiting=board.total(WAITING) / _NANOSECONDS,
            seconds_packing=board.total(PACKING) / _NANOSECONDS,
            workers=tuple(
                self._worker(slot, getattr(process, "pid", None), counts_bytes=sent is not None)
                for slot, process in enumerate(engine.crew.processes)
            ),
        )

    def _worker(self, slot: int, pid: int | None, *, counts_bytes: bool) -> WorkerStats:
        words = self._engine.crew.board.words(slot)
        return WorkerStats(
            slot=slot,
            pid=pid,
            tasks=words[TASKS],
            seconds_working=words[WORKING] / _NANOSECONDS,
            seconds_waiting=words[WAITING] / _NANOSECONDS,
            seconds_packing=words[PACKING] / _NANOSECONDS,
            bytes_in=words[BYTES_IN] if counts_bytes else None,
            bytes_out=words[BYTES_OUT] if counts_bytes else None,
        )
