"""What the parent and its workers write to each other.

To a worker, behind the ticket:
    (recipe, item)                        one task with an item of a plain type
    (recipe, count, data, buffers)        ``count`` tasks, their items as a parcel
and None: end.

To the parent, behind the ticket:
    (offset, value, seconds)                                        one plain result
    (offset, count, data, buffers, {offset: failure}, seconds)      results as a parcel
    (NO_FUNCTION or NO_ITEMS, failure)                              the message was refused
    (SKIPPED, b"")                                                  it was not begun
with START_FAILED in the place of the ticket: (slot, failure).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from procession._engine.pool.failure import unpack_failure
from procession._engine.pool.parcel import PLAIN, pack, unpack
from procession._engine.pool.worker import NO_FUNCTION, SKIPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from procession._engine.pool.calls import Chunk

__all__ = ["bodies", "take_in"]

_PLAIN_RESULT = 4
_REFUSED = 3

Body = tuple[Any, ...]


def bodies(chunk: Chunk, refuse: Callable[[Chunk, Exception], object]) -> list[tuple[Chunk, Body]]:
    """Write the messages for a chunk: one, or one for each task when one cannot be packed.

    What cannot be packed by itself goes to ``refuse``, with the reason.
    """
    items, recipe = chunk.items, chunk.call.recipe_text
    if len(items) == 1 and type(items[0]) in PLAIN and _encodes(items[0]):
        return [(chunk, (recipe, items[0]))]
    try:
        data, buffers = pack(items)
    except Exception as error:  # whatever a user's __reduce__ raises
        return _bodies_one_by_one(chunk, error, refuse)
    return [(chunk, (recipe, len(items), data, buffers))]


def _bodies_one_by_one(
    chunk: Chunk, error: Exception, refuse: Callable[[Chunk, Exception], object]
) -> list[tuple[Chunk, Body]]:
    size = len(chunk.items)
    if size > 1:
        parts = [chunk.part(place, place + 1, chunk.attempts) for place in range(size)]
        return [body for part in parts for body in bodies(part, refuse)]
    try:
        data, buffers = pack(chunk.items)
    except Exception:  # the first reason is the one to tell
        refuse(chunk, error)
        return []
    return [(chunk, (chunk.call.recipe_text, 1, data, buffers))]


def _encodes(item: Any) -> bool:
    """Whether a plain item is text that UTF-8 can say, or no text at all."""
    if type(item) is not str or item.isascii():
        return True
    try:
        item.encode()
    except UnicodeError:
        return False
    return True


def take_in(message: tuple[Any, ...], chunk: Chunk) -> None:
    """Put what a worker wrote into the chunk's call, and note how far the chunk has come."""
    kind = len(message)
    if kind == _PLAIN_RESULT:
        _, offset, value, seconds = message
        chunk.call.deliver(chunk.first + offset, (value,))
        _ended(chunk, offset, 1, seconds)
    elif kind == _REFUSED:
        _take_in_refusal(chunk, message[1], message[2])
    else:
        _take_in_parcel(message, chunk)


def _take_in_parcel(message: tuple[Any, ...], chunk: Chunk) -> None:
    _, offset, count, data, buffers, failures, seconds = message
    call, first = chunk.call, chunk.first + offset
    try:
        values: Sequence[Any] = unpack(data, buffers)
    except Exception as error:  # whatever the user's class raises
        for index in range(first, first + count):
            call.deliver_failure(index, error)
    else:
        if failures and call.single:
            _deliver_between(chunk, first, values, failures)
        else:
            call.deliver(first, values)
        for place, failure in (failures or {}).items():
            index = first + place
            call.deliver_failure(index, unpack_failure(failure, call.describe(index)))
    _ended(chunk, offset, count, seconds)


def _deliver_between(
    chunk: Chunk, first: int, values: Sequence[Any], failures: dict[int, bytes]
) -> None:
    """Deliver the values that are none of failed tasks."""
    for place, value in enumerate(values):
        if place not in failures:
            chunk.call.deliver(first + place, (value,))


def _ended(chunk: Chunk, offset: int, count: int, seconds: float) -> None:
    chunk.delivered = max(chunk.delivered, offset + count)
    chunk.call.pace.learn(count, seconds)


def _take_in_refusal(chunk: Chunk, reason: int, failure: bytes) -> None:
    """A function that cannot be unpickled fails all tasks; an item, the one that it is."""
    size, call = len(chunk.items), chunk.call
    if reason == SKIPPED:  # and yet it is wanted: its cancellation came too late
        call.returned.append(chunk.part(0, size, chunk.attempts))
    elif reason == NO_FUNCTION or size == 1:
        for index in range(chunk.first, chunk.first + size):
            call.deliver_failure(index, unpack_failure(failure, call.describe(index)))
    else:
        call.returned.extend(chunk.part(place, place + 1, chunk.attempts) for place in range(size))
    chunk.delivered = size
