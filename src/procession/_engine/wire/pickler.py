"""Objects to bytes and back: by the C pickler where it can, by value where it cannot.

The reducers that programs register on ``multiprocessing.reduction.ForkingPickler`` (PyTorch
does for its tensors) are honoured, because the table is used that this class gives its picklers: a
view of what is registered, now and later.

Two things make an object go to the slower pickler (``wire.by_value``): the C pickler refuses it (a
lambda, a closure, a class of a function), or its pickle names ``__main__`` where other processes
may lack ours.  Ordinary objects pay for neither.
"""

from __future__ import annotations

import io
import pickle
from multiprocessing.reduction import ForkingPickler

from procession._engine.config import explain
from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    _Spare = tuple[Callable[[Any], object], Callable[[], None], list[Any]]

__all__ = [
    "REFUSALS",
    "by_value",
    "by_value_if_that_helps",
    "dumps",
    "dumps_exception",
    "know_classes_of_main",
    "loads",
    "names_main",
]

REFUSALS = (pickle.PicklingError, AttributeError, TypeError)
"""What the C pickler raises for an object that the other pickler may know to handle."""

_REDUCERS = ForkingPickler(io.BytesIO()).dispatch_table

_MAIN_BY_NAME = b"\x8c\x08__main__"
"""How a pickle names ``__main__``: an opcode, the length, the text."""


def names_main(data: bytes | bytearray | memoryview) -> bool:
    """Return whether a pickle refers to ``__main__``, and so must not be sent as it is."""
    return _MAIN_BY_NAME in bytes(data) and MAIN.travels_by_value()


def by_value(
    obj: Any,
    buffer_callback: Callable[[Any], object] | None = None,
    reducers: Mapping[type, Callable[[Any], Any]] | None = None,
) -> bytes:
    """Return a pickle in which code goes by value where it must; raises what pickling raises.

    ``reducers`` of types go before those that programs registered.
    """
    # Loads cloudpickle, which most programs never need.
    from procession._engine.wire.by_value import dumps as dumps_by_value  # noqa: PLC0415

    data = dumps_by_value(obj, buffer_callback, reducers)
    explain("pickled a %s, code by value where it must: %d bytes", type(obj).__name__, len(data))
    return data


def by_value_if_that_helps(
    obj: Any,
    refusal: BaseException,
    buffer_callback: Callable[[Any], object] | None = None,
    reducers: Mapping[type, Callable[[Any], Any]] | None = None,
) -> bytes:
    """As ``by_value``, for what the C pickler has refused; raises the reason that tells more."""
    try:
        return by_value(obj, buffer_callback, reducers)
    except Exception as error:
        if not isinstance(refusal, TypeError):
            # That pickle does not find a function or class is none: it could go by value, but
            # for what is in it.
            raise error from None
    raise refusal


def know_classes_of_main() -> None:
    """Before a fork: have the child know the classes of a growing main module as its own."""
    from procession._engine.wire import by_value  # noqa: PLC0415  # loads cloudpickle

    by_value.know_classes_of_main()


_spare: list[_Spare] = []
"""Picklers that nobody uses just now.  To make one takes longer than a small message."""

_SPARED_BELOW = 1 << 12  # a pickler that has seen more keeps large tables


def _new_pickler() -> _Spare:
    parts: list[Any] = []
    # A ForkingPickler would make the same table anew.
    plain = pickle.Pickler(_Sink(parts.append), pickle.HIGHEST_PROTOCOL)
    plain.dispatch_table = _REDUCERS
    return plain.dump, plain.clear_memo, parts


class _Sink:
    """What a pickler writes to."""

    __slots__ = ("write",)

    def __init__(self, write: Callable[[Any], object]) -> None:
        self.write = write


def dumps(obj: Any) -> bytes:
    """The pickled form of ``obj``; raises whatever pickling it raises, here in the caller."""
    try:
        # Whoever takes one has it alone: other threads, and reducers that pickle, take others.
        spare = _spare.pop()
    except IndexError:
        spare = _new_pickler()
    dump, clear, parts = spare
    try:
        dump(obj)
    except REFUSALS as refusal:
        return by_value_if_that_helps(obj, refusal)
    # The memo keeps alive what parts are of, so they are joined before it is cleared.
    data: bytes = parts[0] if len(parts) == 1 else b"".join(parts)
    if len(data) < _SPARED_BELOW:
        parts.clear()
        clear()
        _spare.append(spare)
    if _MAIN_BY_NAME in data and MAIN.travels_by_value():  # names_main(), without a call
        return by_value(obj)
    return data


def dumps_exception(error: BaseException) -> bytes:
    """The pickled form of an exception whose class the receiver may know.

    Raises what pickling raises for one of a class that it cannot know: its text will do.
    """
    if type(error).__module__ == "__main__" and MAIN.travels_by_value():
        return by_value(error)
    data = pickle.dumps(error, pickle.HIGHEST_PROTOCOL)
    return by_value(error) if names_main(data) else data


loads = ForkingPickler.loads
"""The object that ``dumps`` was given."""
