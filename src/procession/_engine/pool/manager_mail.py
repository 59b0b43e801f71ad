"""How programs and their managers write to each other: code by value, where it must.

The standard connections, under a name of ours among the serializers of
``multiprocessing.managers``; what is sent goes by ``wire.pickler``, so instances of a
notebook's classes, lambdas and closures can be sent.  Either side may be the standard library's.
"""

from __future__ import annotations

from multiprocessing import connection, managers

from procession._engine.wire import pickler
from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["BY_VALUE"]


class _Connection(connection.Connection):
    def send(self, obj: Any) -> None:
        """Send an object.  Raises what pickling it raises."""
        self.send_bytes(pickler.dumps(obj))


class _Listener(connection.Listener):
    def accept(self) -> Any:
        """Wait for a client; return the connection to it."""
        return _by_value(super().accept())


def _client(*args: Any, **options: Any) -> Any:
    return _by_value(connection.Client(*args, **options))


def _by_value(made: Any) -> Any:
    """Let a connection over a descriptor send by our pickler; another is left as it is."""
    if type(made) is connection.Connection:
        made.__class__ = _Connection
    return made


class _Name(str):
    """The name of this serializer; whoever gets it has it registered, by importing this file.

    Where no code has to travel by value, others are told the standard one, which they know
    also where there is no procession.
    """

    __slots__ = ()

    def __reduce__(self) -> Any:
        return "BY_VALUE" if MAIN.travels_by_value() else (str, ("pickle",))


_Name.__module__ = __name__
BY_VALUE = _Name("procession")
managers.listener_client[BY_VALUE] = (_Listener, _client)  # type: ignore[attr-defined]
