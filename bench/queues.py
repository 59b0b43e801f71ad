"""The contenders' queues behind one shape: put, get, put_many, get_many.

Only names are made equal: the methods that are measured are the contender's own, bound
once, so that no call of ours stands in between.
"""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.contenders import Contender

__all__ = ["Ends", "fork_context", "open_queue"]

FOREVER = 1e6
"""Seconds; faster-fifo's methods time out after ten unless told otherwise."""


class Ends:
    """What a producer and a consumer call."""

    def __init__(
        self,
        put: Callable[[Any], Any],
        get: Callable[[], Any],
        put_many: Callable[[list[Any]], Any],
        get_many: Callable[[int], list[Any]],
    ) -> None:
        """Take the four calls."""
        self.put = put
        self.get = get
        self.put_many = put_many
        self.get_many = get_many


def fork_context(contender: Contender) -> Any:
    """Return what makes the contender's processes; Python's own where it has none."""
    module = contender.load()
    factory = getattr(module, "get_context", multiprocessing.get_context)
    return factory("fork")


def open_queue(contender: Contender, maxsize: int = 0, message_bytes: int = 256) -> Ends:
    """Make a queue of at most `maxsize` messages (0: no bound) of about `message_bytes` each."""
    if contender.name == "faster_fifo":
        return _faster_fifo(contender, maxsize, message_bytes)
    context = fork_context(contender)
    if contender.name == "stdlib_simple":
        return _standard(context.SimpleQueue())
    return _standard(context.Queue(maxsize))


def _standard(queue: Any) -> Ends:
    put_many = getattr(queue, "put_many", None) or functools.partial(_put_each, queue.put)
    get_many = getattr(queue, "get_many", None) or functools.partial(_get_each, queue.get)
    return Ends(queue.put, queue.get, put_many, get_many)


def _put_each(put: Callable[[Any], None], objects: list[Any]) -> None:
    for each in objects:
        put(each)


def _get_each(get: Callable[[], Any], most: int) -> list[Any]:
    return [get() for _ in range(most)]


def _faster_fifo(contender: Contender, maxsize: int, message_bytes: int) -> Ends:
    # Its memory is bounded by bytes: as much as it asks for itself, or what the bound needs.
    room = max(1_000_000, (message_bytes + 4096) * max(maxsize, 4))
    queue = contender.load().Queue(max_size_bytes=room)
    return Ends(
        functools.partial(queue.put, timeout=FOREVER),
        functools.partial(queue.get, timeout=FOREVER),
        functools.partial(queue.put_many, timeout=FOREVER),
        lambda most: queue.get_many(timeout=FOREVER, max_messages_to_get=most),
    )
