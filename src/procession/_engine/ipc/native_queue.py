"""Queue, JoinableQueue and SimpleQueue over the native core.

The native type comes first among the bases, so ``put``, ``get`` and their kin are found there and
cost nothing extra; what stands here is everything around them: asyncio, and the names that programs
know from the standard library.  How a queue is handed to other processes is ``native_handover``'s.
"""

from __future__ import annotations

from procession._engine import native
from procession._engine.ipc.asynchronous import AsyncMethods
from procession._engine.ipc.native_handover import Handover
from procession._engine.ipc.queue_ends import QueueEnds
from procession._engine.ipc.queue_threads import NoFeederThread
from procession._engine.ipc.standard_queues import (
    StandardJoinableQueue,
    StandardQueue,
    StandardSimpleQueue,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from typing import NoReturn

__all__ = ["JoinableQueue", "Queue", "SimpleQueue"]


class Queue(native.Queue, AsyncMethods, NoFeederThread, Handover, QueueEnds, StandardQueue):  # type: ignore[misc]  # the native methods take the place of the standard ones
    """A queue for many producers and many consumers, first in, first out.

    ``maxsize`` bounds the number of messages; 0 or less means no bound.  ``ctx`` is taken for
    compatibility: the queue needs nothing of a context.
    """

    __module__ = "procession.queues"

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext | None = None) -> None:  # noqa: ARG002
        native.Queue.__init__(self, max(0, maxsize))
        self.ends_closed = set()

    def close(self) -> None:
        """Close the queue in this process; using it afterwards raises ValueError."""
        if not self.closed:
            self._settle_empty()
        super().close()


class JoinableQueue(Queue, StandardJoinableQueue):  # type: ignore[misc]  # as above
    """A Queue that counts the tasks put into it and not yet reported as done."""

    __module__ = "procession.queues"


class SimpleQueue(native.Queue, Handover, QueueEnds, StandardSimpleQueue):  # type: ignore[misc]  # as above
    """An unbounded queue with put, get and empty."""

    __module__ = "procession.queues"

    def __init__(self, *, ctx: BaseContext | None = None) -> None:  # noqa: ARG002
        native.Queue.__init__(self)
        self.ends_closed = set()

    def close(self) -> None:
        """Close the queue in this process; using it afterwards raises OSError."""
        super().close()
        # The native methods raise ValueError, which is right for Queue; the standard SimpleQueue
        # raises OSError, and programs catch that.  Hiding the methods costs open queues nothing.
        for name in ("put", "get", "empty"):
            self.__dict__[name] = _refuse_closed


def _refuse_closed(*_arguments: object, **_options: object) -> NoReturn:
    raise OSError("handle is closed")
