"""``wait``: the objects that are ready, of queues, connections, sockets and sentinels.

It is the standard library's ``multiprocessing.connection.wait``, which takes whatever has a
``fileno``, with three differences for queues of ours.  They are asked first, which costs little;
when some have messages, the others are only looked at, and where all are queues not even that.
The object to wait for may be another than the queue itself.  And a descriptor may call a queue
ready that has been emptied meanwhile, so it is asked again, and waiting goes on when it was wrong.
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
    return _wait_with_queues(objects, queues, timeout)


def _wait_with_queues(objects: list[Any], queues: list[Any], timeout: float | None) -> list[Any]:
    with_messages = {id(entry) for entry in queues if not entry.empty()}
    if with_messages:
        others = [entry for entry in objects if not hasattr(entry, "_waitable")]
        looked_at = {id(entry) for entry in connection.wait(others, 0)} if others else set()
        return [entry for entry in objects if id(entry) in with_messages | looked_at]
    end = None if timeout is None else time.monotonic() + max(0.0, timeout)
    while True:
        waitables = [_waitable(entry) for entry in objects]
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
