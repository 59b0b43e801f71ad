"""``wait``: the objects that are ready, of queues, connections, sockets and sentinels.

It is the standard library's ``multiprocessing.connection.wait``, which takes whatever has a
``fileno``.  Queues need two steps more: on some systems the object to wait for is not the
queue itself, and a descriptor may call a queue ready that has been emptied meanwhile.  So who
is said to be ready is asked, and where nobody is, waiting goes on for the time that is left.
"""

from __future__ import annotations

import time
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["wait"]


def wait(object_list: Iterable[Any], timeout: float | None = None) -> list[Any]:
    """Wait until one of the objects is ready, at most ``timeout`` seconds (None: for ever).

    Returns those that are: queues with a message, connections with a message or at their end,
    readable sockets and descriptors, sentinels of ended processes.  A negative ``timeout``
    counts as 0.
    """
    objects = list(object_list)
    queues = [entry for entry in objects if hasattr(entry, "_waitable")]
    if not queues:
        return connection.wait(objects, timeout)
    return _wait_with_queues(objects, timeout)


def _wait_with_queues(objects: list[Any], timeout: float | None) -> list[Any]:
    waitables = [_waitable(entry) for entry in objects]
    end = None if timeout is None else time.monotonic() + max(0.0, timeout)
    while True:
        left = None if end is None else max(0.0, end - time.monotonic())
        said = set(connection.wait(set(waitables), left))
        ready = [
            entry
            for entry, waitable in zip(objects, waitables, strict=True)
            if waitable in said and _is_ready(entry)
        ]
        if ready or (end is not None and time.monotonic() >= end):
            return ready


def _waitable(entry: Any) -> Any:
    # Not public, since programs wait for queues themselves.
    return entry._waitable() if hasattr(entry, "_waitable") else entry  # noqa: SLF001


def _is_ready(entry: Any) -> bool:
    return not (hasattr(entry, "_waitable") and entry.empty())
