"""``wait``: the objects that are ready, of queues, connections, sockets and sentinels.

For every transport; the native one has a ``wait`` of its own (``native_waiting``).
Queues of ours know whether they are ready without asking the system, so they are asked first.
When some are, or there is no time to wait, the others are only looked at; else all descriptors
are waited for.  Either is one call for all of them.  A descriptor may call an object of ours ready
that has been emptied meanwhile, so it is asked again, and waiting goes on for the time that is
left when it was wrong.

Where ``select.poll`` is missing (Windows) the standard library's ``wait`` does the waiting.
"""

from __future__ import annotations

import math
import select
import sys
import time
from multiprocessing import connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["milliseconds", "wait"]

_LONGEST_POLL_MS = 2**31 - 1


def milliseconds(seconds: float | None) -> int | None:
    """For ``select.poll``: rounded up, so that a wait never ends before its time."""
    if seconds is None:
        return None
    if seconds * 1000 >= _LONGEST_POLL_MS:
        return _LONGEST_POLL_MS  # whoever waits for longer than 24 days looks at the clock again
    if seconds <= 0:
        return 0  # for -inf, too, which has no ceiling
    return math.ceil(seconds * 1000)


def wait(object_list: Iterable[Any], timeout: float | None = None) -> list[Any]:
    """Wait until one of the objects is ready, at most ``timeout`` seconds (None: for ever).

    Returns those that are, in their order: queues with a message, connections with a message or
    at their end, readable sockets and descriptors, sentinels of ended processes.  A negative
    ``timeout`` counts as 0.
    """
    objects = list(object_list)
    end = None if timeout is None else time.monotonic() + max(0.0, timeout)
    queues = {id(entry) for entry in objects if _can_be_asked(entry)}
    ready = {id(entry) for entry in objects if id(entry) in queues and _is_ready(entry)}
    if ready or (timeout is not None and timeout <= 0):
        others = [entry for entry in objects if id(entry) not in queues]
        ready.update(id(entry) for entry in _really_ready(others, 0))
        return [entry for entry in objects if id(entry) in ready]
    while True:
        left = None if end is None else max(0.0, end - time.monotonic())
        found = _really_ready(objects, left)
        if found or (end is not None and time.monotonic() >= end):
            return found


def _really_ready(objects: list[Any], timeout: float | None) -> list[Any]:
    """Return those that the system calls ready, but for ours that say they are not."""
    if not objects:
        return []
    signalled = _signalled(objects, timeout)
    return [
        entry
        for entry in objects
        if id(entry) in signalled and (not _can_be_asked(entry) or _is_ready(entry))
    ]


# What objects of ours have for this file is not public, since programs use ``wait`` itself.


def _can_be_asked(entry: Any) -> bool:
    return hasattr(entry, "_is_ready") and getattr(entry, "readable", True)


def _is_ready(entry: Any) -> bool:
    return bool(entry._is_ready())  # noqa: SLF001


if sys.platform == "win32":

    def _signalled(objects: list[Any], timeout: float | None) -> set[int]:
        """The ids of the objects that the system calls ready."""
        waitables = [_waitable(entry) for entry in objects]
        ready = {id(waitable) for waitable in connection.wait(waitables, timeout)}
        pairs = zip(objects, waitables, strict=True)
        return {id(entry) for entry, waitable in pairs if id(waitable) in ready}

    def _waitable(entry: Any) -> Any:
        return entry._waitable() if hasattr(entry, "_waitable") else entry  # noqa: SLF001

else:

    def _signalled(objects: list[Any], timeout: float | None) -> set[int]:
        """The ids of the objects that the system calls ready."""
        poll = select.poll()
        descriptors = [
            entry if isinstance(entry, int) else _descriptor_of(entry) for entry in objects
        ]
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(milliseconds(timeout))}
        pairs = zip(objects, descriptors, strict=True)
        return {id(entry) for entry, descriptor in pairs if descriptor in ready}

    def _descriptor_of(entry: Any) -> int:
        try:
            return int(entry.fileno())
        except (AttributeError, TypeError):
            raise ValueError(  # as selectors do
                f"cannot wait for {entry!r}: wait() takes queues, connections, sockets, sentinels"
                " and other descriptors, and what has a fileno() of one"
            ) from None
