"""How big a message to the workers should be, and how many should be on their way.

A message carries several tasks where tasks are short, so that its cost is shared, and one task
where they are long, so that no worker hoards work.  Nobody is asked for a ``chunksize``: workers
say how long their tasks took, and sizes follow.  Sizes grow by a bounded factor at a time,
since the first tasks of a call may not be like the others, and shrink near the end of the
input, so that the workers finish together.  A ``chunksize`` that was given is the grain:
messages carry whole grains, and grains of long tasks travel one by one.
"""

from __future__ import annotations

import os
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["Pace", "usable_cpus"]

MESSAGE_SECONDS: Final = 0.002
"""Work in one message whose results nobody sees one by one (map)."""

LONGEST_MESSAGE_SECONDS: Final = 0.008
"""The same while more than 64 times as much is left for each worker: a message costs the parent
some tens of microseconds, in which it takes a core from a worker.  Longer tasks travel alone."""

EAGER_MESSAGE_SECONDS: Final = 0.0002
"""Work in one message of a call whose results are handed out one by one (imap)."""

COLD_SECONDS: Final = 0.00001
"""So much of a message's time may be what the first task of a kind costs, and no other."""

AHEAD_SECONDS: Final = 0.040
"""Work on its way for each worker: as long as the parent may be kept from feeding."""

LEAST_MESSAGE_SECONDS: Final = 0.0001
"""Work in the last messages of an input: so much later than another a worker may finish.  A message
costs a tenth of it."""

GROWTH: Final = 16
"""A message carries at most so many times the tasks of the one before."""

MOST_MESSAGES: Final = 1024
"""Never more messages of one call on their way."""

MOST_TASKS: Final = 65_536
"""Never more tasks in one message, but for a greater grain."""

_QUICKEST: Final = 2e-8

MOST_AHEAD: Final = 8_192
"""Never more tasks read ahead of who takes an iterator's results, but for greater grains: they and
their results are in memory, and whoever asks for the next result may have to read them first."""


class Pace:
    """The measured time per task of one call, and the sizes that follow from it.

    ``grain`` is the given chunk size, 1 without; ``fixed`` keeps every message at one grain.
    """

    __slots__ = (
        "_ahead",
        "_learnt_from",
        "_least",
        "_size",
        "fixed",
        "grain",
        "message_seconds",
        "per_task",
        "workers",
    )

    def __init__(self, workers: int, grain: int = 1, *, eager: bool, fixed: bool = False) -> None:
        self.workers = workers
        self.grain = grain
        self.fixed = fixed
        self.message_seconds = EAGER_MESSAGE_SECONDS if eager else MESSAGE_SECONDS
        self.per_task: float | None = None
        self._least = 0.0  # per task, see least_seconds_left()
        self._learnt_from = 1  # tasks of the biggest message that was learned from
        self._size = grain
        self._ahead: int | None = None  # what read_ahead() has found, as long as it holds

    def learn(self, tasks: int, seconds: float) -> None:
        """Take in that a worker needed ``seconds`` for ``tasks`` tasks.

        Slower than thought counts at once, as hoarding is what hurts; quicker does where it is the
        time of many more tasks, as single ones are measured with what surrounds them.
        """
        measured = max(seconds / tasks, _QUICKEST)
        known = self.per_task
        self._ahead = None
        if known is None:
            self.per_task = measured
        elif measured > known:
            self.per_task = (known + measured) / 2
        elif tasks >= GROWTH * self._learnt_from:
            self.per_task = measured
        else:
            self.per_task = 0.6 * known + 0.4 * measured
        self._learnt_from = max(self._learnt_from, tasks)
        least = max((seconds - COLD_SECONDS) / tasks, _QUICKEST)
        self._least = least if known is None else min(least, 2 * self._least)

    def size(self, remaining: int | None) -> int:
        """Return the number of tasks for the next message; ``remaining`` in the input, if known."""
        if self.fixed or self.per_task is None:
            return self.grain
        seconds = self.message_seconds
        if remaining is not None and self.per_task < seconds == MESSAGE_SECONDS:
            share = self.seconds_left(remaining) / 64
            seconds = max(seconds, min(share, LONGEST_MESSAGE_SECONDS))
        tasks = min(seconds / self.per_task, MOST_TASKS, self._size * GROWTH)
        if remaining is not None:
            least = LEAST_MESSAGE_SECONDS / self.per_task
            tasks = min(tasks, max(remaining / (4 * self.workers), least))
        self._size = max(1, int(tasks) // self.grain) * self.grain
        self._ahead = None
        return self._size

    def window(self) -> int:
        """Return the number of messages of the call that should be on their way."""
        least = 4 * self.workers
        if self.per_task is None:
            return least
        ahead = AHEAD_SECONDS * self.workers / (self.per_task * self._size)
        return max(least, min(int(ahead), MOST_MESSAGES))

    def read_ahead(self) -> int:
        """Return how many tasks an iterator may be ahead of who takes its results."""
        found = self._ahead  # read once: another thread may learn at any moment, and forget it
        if found is None:
            ahead = min(self.window() * self._size, MOST_AHEAD)
            found = self._ahead = max(ahead, 4 * self.workers * self.grain)
        return found

    def seconds_left(self, tasks: int) -> float:
        """Return the time that all workers together need for so many tasks; 0 if not known."""
        return tasks * (self.per_task or 0.0) / self.workers

    def least_seconds_left(self, tasks: int) -> float:
        """Return a time that all workers together need at least; 0 if not known.

        For who wants to sleep meanwhile.  A worker that had to wait for a core made its tasks look
        long, and would make the others wait for who sleeps: so of the latest messages the quickest
        counts, without what a first task costs.
        """
        return tasks * self._least / self.workers

    def standard_grain(self, total: int) -> int:
        """Return the chunk size that the standard library would take for ``total`` tasks."""
        return max(1, -(-total // (4 * self.workers)))


def usable_cpus() -> int:
    """Return how many CPUs this process may use: affinity and the container's quota, at least 1."""
    count = _allowed_cpus()
    quota = _cgroup_cpus()
    return max(1, count if quota is None else min(count, quota))


def _allowed_cpus() -> int:
    counter = getattr(os, "process_cpu_count", None)
    if counter is not None:
        return counter() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cgroup_cpus() -> int | None:
    """CPUs that the control group's quota amounts to, rounded up; None without a quota."""
    with suppress(OSError, ValueError):
        quota, period = _words("/sys/fs/cgroup/cpu.max")
        return None if quota == "max" else -(-int(quota) // int(period))
    with suppress(OSError, ValueError):
        (granted,) = _words("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
        (span,) = _words("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
        return -(-int(granted) // int(span)) if int(granted) > 0 else None
    return None


def _words(path: str) -> list[str]:
    # pathlib is half a MiB of modules, for which a pool has no other use.
    with open(path, encoding="ascii") as file:  # noqa: PTH123
        return file.read().split()
