"""Connection and Pipe over the native core.

The native channel comes first among the bases, so ``send``, ``recv`` and their kin cost nothing
extra; what stands here is how an end is handed to other processes, and the names that
programs and the standard library's own helpers (authentication, ``Listener``) read.

An end is up to three descriptors: the memory with the messages, and two pipe ends that ring the
bell and tell when the other side is gone.  Whoever holds a copy of them holds the end
open, wanted or not; ``inheritance`` says what is done about copies that a fork made by chance.
"""

from __future__ import annotations

import io
import multiprocessing.connection
from multiprocessing import reduction

from procession._engine import native
from procession._engine.ipc import inheritance
from procession._engine.wire.descriptors import SharedDescriptors, share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer

__all__ = ["Connection", "Pipe", "recv_handle", "send_handle"]


class _AlsoStandard(type):
    """Calls connections that sockets made, ``Listener`` and ``Client``, connections too."""

    def __instancecheck__(cls, instance: object) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        return cls is Connection and isinstance(instance, multiprocessing.connection.Connection)


class Connection(native.Channel, multiprocessing.connection.Connection, metaclass=_AlsoStandard):
    """One end of a pipe; made by ``Pipe``."""

    __module__ = "procession.connection"

    def __new__(  # type: ignore[misc]  # not one of ours: there is no memory beside a descriptor
        cls, handle: int, readable: bool = True, writable: bool = True
    ) -> multiprocessing.connection.Connection:
        """The standard library's connection over a descriptor of the caller's."""
        return multiprocessing.connection.Connection(handle, readable, writable)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the end travel to another process; it stays open here as well."""
        return _attach, (type(self), share(self.descriptors()), self.end)

    def __repr__(self) -> str:
        """Class, directions, descriptor."""
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        if self.closed:
            return f"<{kind} closed at {id(self):#x}>"
        directions = [
            name
            for name, able in (("readable", self.readable), ("writable", self.writable))
            if able
        ]
        return f"<{kind} {'+'.join(directions)} fileno={self.fileno()} at {id(self):#x}>"

    def __del__(self) -> None:
        """Nothing: the native channel closes itself, and the standard __del__ must not."""

    # What the standard class keeps in private attributes, for those who read them there.

    @property
    def _handle(self) -> int | None:
        return None if self.closed else self.fileno()

    @property
    def _readable(self) -> bool:
        return self.readable

    @property
    def _writable(self) -> bool:
        return self.writable

    def _close(self) -> None:
        self.close()

    def _poll(self, timeout: float | None) -> bool:
        return self.poll(timeout)

    def _send_bytes(self, buf: Buffer) -> None:
        self.send_bytes(buf)

    def _recv_bytes(self, maxsize: int | None = None) -> io.BytesIO:
        received = io.BytesIO()
        received.write(self.recv_bytes(maxsize))
        return received


def _attach(kind: type[Connection], handed_over: SharedDescriptors, end: int) -> Connection:
    memory, incoming, outgoing = handed_over.take()
    connection = kind.attach((memory, incoming, outgoing), end)
    inheritance.register(connection)
    return connection


def Pipe(duplex: bool = True) -> tuple[Connection, Connection]:  # noqa: N802  # its name there
    """Two connected connections; both can send and receive if ``duplex``.

    Otherwise the first can only receive and the second only send.  Raises OSError when
    descriptors or memory run out.
    """
    first, second = Connection.pair(duplex)
    inheritance.register(first)
    inheritance.register(second)
    return first, second


def send_handle(conn: Any, handle: int, destination_pid: int) -> None:
    """Send a descriptor to the process at the other end, which takes it by ``recv_handle``.

    The descriptor may be closed on return; through a pipe of ours this process must live until
    it was received.  Raises OSError when it is not open.
    """
    if isinstance(conn, native.Channel):
        conn.send(share((handle,)))
    else:
        reduction.send_handle(conn, handle, destination_pid)


def recv_handle(conn: Any) -> int:
    """Receive a descriptor, which the caller owns.

    Raises RuntimeError when something else was sent, ConnectionError when the sender has ended.
    """
    if not isinstance(conn, native.Channel):
        return reduction.recv_handle(conn)
    received = conn.recv()
    if not isinstance(received, SharedDescriptors):
        # The type that the standard library raises.
        raise RuntimeError(f"expected what send_handle() sends, received {received!r}")  # noqa: TRY004
    return received.take()[0]
