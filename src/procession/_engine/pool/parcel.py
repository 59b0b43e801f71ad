"""A user's objects on their way through a pool's queues.

The queues carry messages of ours, and a message must never fail to be read: the ledger would
lose it.  So whatever belongs to the user, and could raise when it is pickled or unpickled, is
a parcel within the message: bytes, and the buffers that travel beside them without a copy.
Who opens a parcel knows which task it belongs to, and can fail that task alone.
What is plain (steps.py) cannot fail and needs no parcel.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from multiprocessing.reduction import ForkingPickler

from procession._engine.ipc import transport
from procession._engine.wire import pickler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    Reducers: TypeAlias = Mapping[type, Callable[[Any], Any]]
    """How a type is pickled, as in a ``dispatch_table``."""

__all__ = ["Buffers", "pack", "unpack"]

Buffers = tuple[pickle.PickleBuffer, ...] | None
"""Memory that travels beside the bytes of a parcel; None for none."""

_PROTOCOL = 5
_NONE: Reducers = {}


def pack(obj: Any, reducers: Reducers = _NONE) -> tuple[bytes, Buffers]:
    """Pickle ``obj`` by the C pickler; by value what it refuses, or the workers cannot import.

    ``reducers`` of types go before those that programs registered.  Raises whatever pickling it
    raises.
    """
    buffers: list[pickle.PickleBuffer] = []
    take_out = buffers.append if transport.OUT_OF_BAND_BUFFERS else None
    try:
        data = _dump(obj, take_out, reducers)
    except pickler.REFUSALS as refusal:
        buffers.clear()
        data = pickler.by_value_if_that_helps(obj, refusal, take_out, reducers)
        return data, tuple(buffers) or None
    if pickler.names_main(data):
        buffers.clear()
        data = pickler.by_value(obj, take_out, reducers)
    return data, tuple(buffers) or None


def unpack(data: bytes, buffers: Buffers) -> Any:
    """Build the object of a parcel.  Raises whatever unpickling it raises."""
    return pickle.loads(data, buffers=buffers or ())


def _dump(
    obj: Any, on_buffer: Callable[[pickle.PickleBuffer], object] | None, reducers: Reducers
) -> bytes:
    stream = io.BytesIO()
    plain = pickle.Pickler(stream, _PROTOCOL, buffer_callback=on_buffer)
    plain.dispatch_table = {**_reducers(), **reducers} if reducers else _reducers()
    plain.dump(obj)
    return stream.getvalue()


def _reducers() -> dict[type, Any]:
    """What programs registered on ForkingPickler (PyTorch does), over ``copyreg``'s."""
    extra: dict[type, Any] = ForkingPickler._extra_reducers  # type: ignore[attr-defined]  # noqa: SLF001
    if copyreg.dispatch_table:
        return {**copyreg.dispatch_table, **extra}
    return extra
