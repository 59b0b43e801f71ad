"""What each thread of a pool has done, as it counts itself, and the pool's figures from that.

A thread counts the tasks that it draws one by one, and for those in its hands shows the list to
which their results are appended.  It reads the clock when it goes to sleep and when it wakes.
Asking reads these without stopping anybody.
"""

from __future__ import annotations

import os
import time

from procession._engine.pool.stats import PoolStats, WorkerStats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from procession._engine.pool.calls import Call
    from procession._engine.pool.thread_hands import Hand

__all__ = ["Post", "read_stats"]


class Post:
    """The counts of one thread: ``tasks`` done, but for those whose results are in ``values``."""

    __slots__ = ("_since", "_waiting", "_working", "_works", "tasks", "values")

    def __init__(self) -> None:
        self.tasks = 0
        self.values: Sequence[Any] = ()
        self._working = self._waiting = 0.0
        self._since = time.monotonic()
        self._works = True

    def rest(self) -> None:
        """The thread has nothing to do."""
        now = time.monotonic()
        self._working += now - self._since
        self._since, self._works = now, False

    def work(self) -> None:
        """It has something to do."""
        now = time.monotonic()
        self._waiting += now - self._since
        self._since, self._works = now, True

    def end(self) -> None:
        """The thread ends."""
        self.rest()
        self._since = float("inf")

    def read(self, slot: int) -> WorkerStats:
        """Return what the thread has done so far."""
        now = max(0.0, time.monotonic() - self._since)
        return WorkerStats(
            slot=slot,
            pid=os.getpid(),
            tasks=self.tasks + len(self.values),
            seconds_working=self._working + (now if self._works else 0.0),
            seconds_waiting=self._waiting + (0.0 if self._works else now),
            seconds_packing=0.0,
            bytes_in=None,
            bytes_out=None,
        )


def read_stats(
    posts: Sequence[Post], calls: Iterable[Call], hands: Iterable[Hand | None]
) -> PoolStats:
    """Return the figures of a pool.  Lock held."""
    workers = tuple(post.read(slot) for slot, post in enumerate(posts))
    in_flight = sum(hand.left() for hand in hands if hand is not None)
    for call in calls:
        in_flight += _at_hand(call)
    return PoolStats(
        tasks_done=sum(worker.tasks for worker in workers),
        tasks_in_flight=in_flight,
        retries=0,
        deaths=0,
        replaced=0,
        bytes_to_workers=None,
        bytes_from_workers=None,
        seconds_working=sum(worker.seconds_working for worker in workers),
        seconds_waiting=sum(worker.seconds_waiting for worker in workers),
        seconds_packing=0.0,
        workers=workers,
    )


def _at_hand(call: Any) -> int:
    """How many tasks of a call wait or run, but for those in a hand that are not begun."""
    if call.ended:
        return 0
    return 1 if call.is_single_task else len(call.open) + call.undrawn()
