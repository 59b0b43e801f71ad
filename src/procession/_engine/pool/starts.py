"""Workers that die before they can work, and when to stop making new ones.

An initializer that raises, a ``__main__`` that cannot be imported, or a library that crashes
on import would kill every replacement too.  After a few such deaths in a row, without any
worker coming through, the pool is broken, and the error says why.  A worker that was killed
from outside counts for little: it may have been anybody's kill -9.
"""

from __future__ import annotations

import signal

from procession._engine.errors import Attempt, WorkerDied
from procession._engine.pool.board import STARTING
from procession._engine.pool.revival import unpack_failure
from procession._engine.pool.worker import START_FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from procession._engine.pool.crew import Crew

__all__ = ["Starts"]

_LIMIT: Final = 30
_WEIGHT: Final = 10
_WEIGHT_OF_SIGNAL: Final = 3
_WEIGHT_OF_KILL: Final = 1
_KILLS: Final = frozenset({-signal.SIGTERM, -getattr(signal, "SIGKILL", 9)})


class Starts:
    """The deaths in a row of workers that had not come through their start."""

    def __init__(self) -> None:
        self._attempts: list[Attempt] = []
        self._weight = 0
        self._replaced: set[int] = set()
        self._failure: bytes | None = None

    @staticmethod
    def is_report(message: tuple[Any, ...]) -> bool:
        """Whether a message tells of a failed start."""
        return bool(message[0] == START_FAILED)

    def take_in(self, message: tuple[Any, ...]) -> None:
        """Keep why a start failed: (START_FAILED, slot, failure)."""
        self._failure = message[2]

    def verdict(self, process: Any, slot: int, crew: Crew) -> BaseException | None:
        """Judge the death of the worker in ``slot``; returns the error that breaks the pool."""
        board = crew.board
        place = board.place(slot)
        if place != STARTING or any(
            board.place(other) != STARTING for other in self._replaced if other != slot
        ):
            self._forget()
        if place != STARTING:
            return None
        self._replaced.add(slot)
        self._attempts.append(Attempt(process.pid, process.exitcode))
        self._weight += _weight(process.exitcode)
        return self._error(process) if self._weight >= _LIMIT else None

    def _forget(self) -> None:
        self._attempts.clear()
        self._replaced.clear()
        self._weight = 0

    def _error(self, process: Any) -> BaseException:
        if self._failure is not None:
            return unpack_failure(self._failure, "the pool's initializer or worker_state")
        error = WorkerDied(
            "the start of a pool's worker (imports, initializer)", None, self._attempts
        )
        error.__cause__ = getattr(process, "exception", None)
        return error


def _weight(exitcode: int) -> int:
    if exitcode in _KILLS:
        return _WEIGHT_OF_KILL
    return _WEIGHT_OF_SIGNAL if exitcode < 0 else _WEIGHT
