"""The private attributes of the standard queues that programs in the field read.

``queue._reader`` and ``queue._writer`` are connections there, and libraries wait on them,
poll them, send through them and close them; ``_rlock`` and ``_wlock`` are taken around that.
Here they are thin views of the queue itself.  Reading and writing a queue of ours needs no lock
of the caller's, so the locks are always free.
"""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler

from procession._engine.ipc import waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Protocol

    class _Queue(Protocol):
        ends_closed: set[str]

        def put(self, obj: Any) -> None: ...
        def get(self) -> Any: ...
        def fileno(self) -> int: ...
        def close(self) -> None: ...

        @property
        def closed(self) -> bool: ...


__all__ = ["FreeLock", "QueueEnds"]


class FreeLock:
    """A lock that nobody ever holds."""

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:  # noqa: ARG002
        """Succeeds at once."""
        return True

    def release(self) -> None:
        """Does nothing."""

    def __enter__(self) -> bool:
        """Succeeds at once."""
        return True

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Does nothing."""


class _End:
    """What both views share: the queue is closed when both of its ends are."""

    _name = ""

    def __init__(self, queue: _Queue) -> None:
        self._queue = queue

    @property
    def closed(self) -> bool:
        """Whether this end, or the queue, was closed in this process."""
        return self._queue.closed or self._name in self._queue.ends_closed

    def fileno(self) -> int:
        """A descriptor that is readable while the queue has messages."""
        self._check_closed()
        return self._queue.fileno()

    def close(self) -> None:
        """Close this end in this process."""
        self._queue.ends_closed.add(self._name)
        if len(self._queue.ends_closed) == 2:
            self._queue.close()

    def _check_closed(self) -> None:
        if self.closed:
            raise OSError("handle is closed")


class _ReadEnd(_End):
    """``queue._reader``."""

    _name = "reader"
    readable = True
    writable = False

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Wait, at most ``timeout`` seconds, for a message; says whether there is one."""
        self._check_closed()
        return bool(waiting.wait([self._queue], timeout))

    def recv(self) -> Any:
        """As ``queue.get()``."""
        self._check_closed()
        return self._queue.get()

    def recv_bytes(self) -> bytes:
        """The next object as bytes that ``ForkingPickler.loads`` takes."""
        return bytes(ForkingPickler.dumps(self.recv()))


class _WriteEnd(_End):
    """``queue._writer``."""

    _name = "writer"
    readable = False
    writable = True

    def send(self, obj: Any) -> None:
        """As ``queue.put(obj)``."""
        self._check_closed()
        self._queue.put(obj)

    def send_bytes(self, data: bytes) -> None:
        """Put the object of which ``data`` is the pickled form."""
        self.send(ForkingPickler.loads(data))


class QueueEnds:
    """Mixed into the queue classes: the attributes that others read."""

    ends_closed: set[str]
    _rlock = FreeLock()
    _wlock = FreeLock()

    @property
    def _reader(self) -> _ReadEnd:
        return _ReadEnd(self)  # type: ignore[arg-type]  # every class that mixes this in is a _Queue

    @property
    def _writer(self) -> _WriteEnd:
        return _WriteEnd(self)  # type: ignore[arg-type]  # as above

    def _poll(self, timeout: float | None = 0.0) -> bool:
        return self._reader.poll(timeout)
