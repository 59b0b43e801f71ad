"""What the parent and its workers write to each other.

To a worker, behind the ticket:
    (recipe, item)                        one task, its item plain
    (recipe, count, items)                ``count`` tasks, their items plain
    (recipe, count, data, buffers)        ``count`` tasks, their items as a parcel
and None: end.

To the parent, behind the ticket:
    (offset, value, seconds)                                        one plain result
    (offset, count, values, seconds)                                plain results
    (offset, count, data, buffers, {offset: failure}, seconds)      results as a parcel
    (NO_FUNCTION or NO_ITEMS, failure)                              the message was refused
    (SKIPPED, b"")                                                  it was not begun
with START_FAILED in the place of the ticket: (slot, failure).

Plain is what cannot fail to be read, see ``steps.is_plain``.
"""

from __future__ import annotations

import pickle
import threading

from procession._engine.pool.calls import part_of
from procession._engine.pool.parcel import pack, unpack
from procession._engine.pool.revival import unpack_failure
from procession._engine.pool.steps import is_plain
from procession._engine.pool.worker import NO_FUNCTION, SKIPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from procession._engine.pool.calls import Call
    from procession._engine.pool.shared_buffers import SharedBuffers
    from procession._engine.pool.steps import Chunk

    Body = tuple[Any, ...]

__all__ = ["Body", "Refused", "body", "is_in_turn", "is_parcel", "opened", "take_in"]

_REFUSED = 3
_PLAIN_RESULT = 4
_PLAIN_RESULTS = 5
_PARCEL = 7

_INTERRUPTS = 3
"""So many in the opening of results of one call are no longer Ctrl-C, but their doing."""


def body(chunk: Chunk, shared: SharedBuffers) -> Body:
    """Write the message for a chunk, but for its ticket.

    Raises Refused where it cannot be packed, and KeyboardInterrupt where that may be Ctrl-C.
    """
    items, recipe = chunk.items, chunk.call.recipe_text
    if is_plain(items):
        return (recipe, items[0]) if len(items) == 1 else (recipe, len(items), items)
    try:
        data, buffers = pack(items)
    except BaseException as error:  # whatever a user's __reduce__ raises
        if _may_be_ctrl_c(error):
            raise
        raise Refused(_harmless(error, "its argument could not be pickled")) from None
    if buffers is not None:
        data, buffers, chunk.kept = shared.filed(data, buffers, chunk.call.number)
    return (recipe, len(items), data, buffers)


class Refused(Exception):  # noqa: N818  # nobody sees it
    """A chunk of which something cannot be packed; ``reason`` is the exception that says why."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(reason)
        self.reason = reason


def is_parcel(message: tuple[Any, ...]) -> bool:
    """Whether a message has results that are to be opened, by the user's code."""
    return len(message) == _PARCEL


def is_in_turn(entry: Any, chunks: dict[int, Chunk]) -> bool:
    """Whether nothing that waits in the inbox has to be taken in before this."""
    if type(entry) is not tuple or len(entry) == _REFUSED:
        return True
    chunk = chunks.get(entry[0])
    return chunk is None or entry[1] <= chunk.delivered


def opened(message: tuple[Any, ...], call: Call) -> list[Any] | Exception:
    """Open the results in a message of a worker; returns an exception that opening raised.

    Ctrl-C may come at this moment, and the message is then opened again; but not for ever, as an
    object of the user's may raise KeyboardInterrupt each time.
    """
    try:
        values: list[Any] = unpack(message[3], message[4])
    except BaseException as error:  # whatever the user's class raises
        if _may_be_ctrl_c(error):
            call.interrupts += 1
            if call.interrupts < _INTERRUPTS:
                raise
        return _harmless(error, "its result could not be opened")
    return values


def _may_be_ctrl_c(error: BaseException) -> bool:
    """Python raises it in the main thread only; elsewhere it is the doing of a user's object."""
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
    )


def _harmless(error: BaseException, what: str) -> Exception:
    """An exception that does not end the caller's program, for one that would."""
    if isinstance(error, Exception):
        return error
    harmless = pickle.PickleError(f"{what}: {type(error).__name__} was raised: {error}")
    harmless.__cause__ = error
    return harmless


def take_in(
    message: tuple[Any, ...], chunk: Chunk, values: list[Any] | Exception | None = None
) -> int:
    """Put what a worker wrote where it belongs, and note how far the chunk has come.

    ``values``: the results of a parcel, opened.  Returns how many of the tasks that it has
    delivered are to be run again.
    """
    kind = len(message)
    if kind == _REFUSED:
        return _take_in_refusal(chunk, message[1], message[2])
    if kind == _PLAIN_RESULT:
        chunk.deliver(message[1], (message[2],), message[3])
    elif kind == _PLAIN_RESULTS:
        chunk.deliver(message[1], message[3], message[4])
    else:
        return _take_in_parcel(message, chunk, values)
    return 0


def _take_in_parcel(message: tuple[Any, ...], chunk: Chunk, values: Any) -> int:
    _, offset, count, _, _, failures, seconds = message
    call, first = chunk.call, chunk.first + offset
    if isinstance(values, Exception):
        if count == 1:
            chunk.deliver(offset, (call.settle(first, values),), seconds)
            return 0
        # One of them: each is run again, alone, so that only that one fails.
        again = range(offset, offset + count)
        call.give_back([part_of(chunk, place, place + 1, chunk.attempts) for place in again])
        chunk.delivered = max(chunk.delivered, offset + count)
        return len(again)
    for place, failure in (failures or {}).items():
        index = first + place
        values[place] = call.settle(index, unpack_failure(failure, call.describe(index)))
    chunk.deliver(offset, values, seconds)
    return 0


def _take_in_refusal(chunk: Chunk, reason: int, failure: bytes) -> int:
    """A function that cannot be unpickled fails all tasks; an item, the one that it is."""
    size: int = chunk.size
    call = chunk.call
    if reason == SKIPPED:  # and yet it is wanted: its cancellation came too late
        call.give_back([part_of(chunk, 0, size, chunk.attempts)])
        chunk.delivered = size
        return size
    if reason == NO_FUNCTION or size == 1:
        errors = [
            call.settle(index, unpack_failure(failure, call.describe(index)))
            for index in range(chunk.first, chunk.first + size)
        ]
        chunk.deliver(0, errors, 0.0)
        chunk.ran = 0
        return 0
    call.give_back([part_of(chunk, place, place + 1, chunk.attempts) for place in range(size)])
    chunk.delivered = size
    return size
