"""What programs know of the standard queue's feeder thread, for queues that have none.

``put`` has stored the message when it returns, so there is no thread to wait for at exit,
and none whose work could be thrown away.  Two habits of the standard queue that come from
the thread are kept, since programs rely on them: what ``empty()`` of a closed queue says, and
the hook of a subclass that is told what could not be sent.
"""

from __future__ import annotations

from queue import Full

from procession._engine.ipc.standard_queues import StandardQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, NoReturn

__all__ = ["NoFeederThread"]

_LARGEST_BOUND: Final = 2**31 - 1


class _ClosedError(OSError, ValueError):
    """OSError as of the standard queue's ``empty()``, ValueError as of its other methods."""


class NoFeederThread:
    """Mixed into Queue and JoinableQueue."""

    if TYPE_CHECKING:  # what the queue has of its own

        @property
        def closed(self) -> bool: ...
        @property
        def maxsize(self) -> int: ...
        @property
        def messages_put(self) -> int: ...

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a subclass change what the standard queue lets it change.

        ``put_nowait`` and ``get_nowait`` go through the ``put`` and ``get`` of a subclass, and
        its ``_on_queue_feeder_error(error, obj)`` is told instead of the caller of ``put``.
        """
        super().__init_subclass__(**options)
        own: Any = cls  # in which methods are replaced
        if "_on_queue_feeder_error" in cls.__dict__:
            own.put = _telling_the_hook(own.put)
        if "put" in cls.__dict__ and "put_nowait" not in cls.__dict__:
            own.put_nowait = StandardQueue.put_nowait
        if "get" in cls.__dict__ and "get_nowait" not in cls.__dict__:
            own.get_nowait = StandardQueue.get_nowait

    def join_thread(self) -> None:
        """Returns at once: all that was put is in the queue.  Allowed after ``close`` only."""
        if not self.closed:
            raise AssertionError(
                f"Queue {self!r} not closed: call close() first, or leave join_thread() out;"
                " everything that was put is in the queue already"
            )

    def cancel_join_thread(self) -> None:
        """Does nothing: leaving this process waits for no queue, and loses nothing."""

    @property
    def _maxsize(self) -> int:
        """The bound, or a large number for an unbounded queue, as the standard class has it."""
        return self.maxsize if self.maxsize > 0 else _LARGEST_BOUND

    def _settle_empty(self) -> None:
        """Before closing: from now on ``empty()`` raises, or is true if nothing was ever put."""
        self.__dict__["empty"] = _refuse_closed if self.messages_put else _nothing_there


def _refuse_closed() -> NoReturn:
    raise _ClosedError("the queue is closed: ask before close()")


def _nothing_there() -> bool:
    return True


def _telling_the_hook(put: Callable[..., None]) -> Callable[..., None]:
    def put_or_tell(self: Any, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """As ``put`` of Queue, but what cannot be sent is told ``_on_queue_feeder_error``."""
        try:
            put(self, obj, block, timeout)
        except Full:
            raise
        except Exception as error:  # whatever pickling raises
            if self.closed:
                raise
            self._on_queue_feeder_error(error, obj)

    return put_or_tell
