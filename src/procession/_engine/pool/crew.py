"""The worker processes of a pool: starting, counting the dead, stopping.

One slot per worker.  The slot is the worker's claim at the task queue and its word on the
board; a replacement takes the slot of the one it replaces, and its place in ``processes``.
"""

from __future__ import annotations

import time

from procession._engine.ipc import transport
from procession._engine.pool.board import Board
from procession._engine.pool.worker import work
from procession._engine.process.deafness import hears

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from procession._engine.pool.worker import Terms

__all__ = ["MOST_WORKERS", "Crew", "Plan"]

MOST_WORKERS: Final = 256
"""A queue has so many claims, and each worker needs one."""

_GRACE_SECONDS: Final = 1.0
"""How long a worker that was asked to end may take before it is killed."""


class Plan:
    """How to make a worker: what the pool was given."""

    def __init__(self, make: Callable[..., Any], context: Any, terms: Terms) -> None:
        self.make = make
        self.context = context
        self.terms = terms


class Crew:
    """The workers, by slot."""

    def __init__(self, plan: Plan, size: int, tasks: Any, results: Any) -> None:
        self._plan = plan
        self._tasks = tasks
        self._results = results
        self.size = size
        self.board = Board(size)
        self.processes: list[Any] = []
        self.vacant: set[int] = set()

    def start_all(self) -> None:
        """Start a worker in every slot."""
        for slot in range(self.size):
            self.processes.append(self._start(slot))

    def replace(self, slot: int) -> None:
        """Start a worker in the slot of one that is dead.

        Raises OSError when it cannot be; the slot is vacant until it can.
        """
        self.vacant.add(slot)
        self.processes[slot] = self._start(slot)
        self.vacant.discard(slot)

    def _start(self, slot: int) -> Any:
        plan = self._plan
        self.board.clear(slot)
        arguments = (self._tasks, self._results, self.board, slot, plan.terms, hears())
        process = plan.make(plan.context, target=work, args=arguments)
        process.name = process.name.replace("Process", "PoolWorker")
        process.daemon = True
        if hasattr(process, "may_have_children"):
            process.may_have_children = process.begins_deaf = True
        process.start()
        return process

    def dead_slots(self) -> list[int]:
        """Slots whose worker has ended."""
        return [slot for slot, process in enumerate(self.processes) if process.exitcode is not None]

    def living(self) -> list[Any]:
        """Processes that have not ended."""
        return [process for process in self.processes if process.exitcode is None]

    def sentinels(self) -> list[int]:
        """What becomes ready when a worker ends; none for those known to have ended."""
        return [process.sentinel for process in self.living() if hasattr(process, "sentinel")]

    def end(self) -> None:
        """End all workers: by SIGTERM, and who does not follow in time by SIGKILL.

        Contexts of other packages make processes that can only be asked, and then joined.
        """
        for process in self.living():
            process.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        while (sentinels := self.sentinels()) and (left := deadline - time.monotonic()) > 0:
            transport.wait(sentinels, left)
        for process in self.living():
            if hasattr(process, "kill"):
                process.kill()
        self.join()

    def join(self) -> None:
        """Wait until every worker has ended."""
        for process in list(self.processes):
            process.join()

    def close(self) -> None:
        """Give back what belongs to no process any more."""
        self.board.close()
