"""Locks and their kin on the portable transport: the standard library's own.

What ours have beyond them is here as well, so that a program need not ask which it has.
A lock whose holder was killed stays held on this transport.
"""

from __future__ import annotations

from multiprocessing import synchronize as std
from multiprocessing.synchronize import Barrier, Condition, Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore"]


class _Extras:
    """What ours have and, on most Pythons, the standard ones have not."""

    if TYPE_CHECKING:  # what the standard classes have
        _semlock: Any

    abandoned = False
    """Whether its holder had died with it; nobody can tell here."""

    def locked(self) -> bool:
        """Whether none is left to acquire, at this moment."""
        return bool(self._semlock._is_zero())  # noqa: SLF001  # as the standard library's own, on 3.14


class Lock(_Extras, std.Lock):
    """A lock between processes."""

    __module__ = "procession.synchronize"


class RLock(_Extras, std.RLock):
    """A lock that the thread which holds it may acquire again."""

    __module__ = "procession.synchronize"


class Semaphore(_Extras, std.Semaphore):
    """A semaphore between processes."""

    __module__ = "procession.synchronize"


class BoundedSemaphore(_Extras, std.BoundedSemaphore):
    """A semaphore that cannot be released more often than it was acquired."""

    __module__ = "procession.synchronize"
