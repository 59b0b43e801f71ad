"""How a native queue gets to other processes, and the barest queue that does.

A queue is two descriptors (memory and doorbell).  Under fork they are inherited; otherwise
``wire.descriptors`` hands them over when the queue is pickled, in whichever way it travels.

Each worker of a pool that is no fork imports this file: it needs no class of the standard library.
"""

from __future__ import annotations

from procession._engine import native
from procession._engine.wire.descriptors import share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from typing import Any

    from procession._engine.wire.descriptors import SharedDescriptors

__all__ = ["Handover", "MessageQueue"]


class Handover:
    """How a native queue travels in a pickle, and what it says of itself."""

    if TYPE_CHECKING:  # what the native queue has of its own

        def descriptors(self) -> tuple[int, int]: ...
        def empty(self) -> bool: ...

        @property
        def closed(self) -> bool: ...
        @property
        def maxsize(self) -> int: ...

    def __getstate__(self) -> tuple[Any, ...]:
        """All that another process needs to attach to this queue."""
        return (share(self.descriptors()),)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Attach to the queue of another process; OSError when it is not one of ours."""
        handed_over: SharedDescriptors = state[0]
        memory, doorbell = handed_over.take()
        native.Queue.__init__(self, descriptors=(memory, doorbell))  # type: ignore[arg-type]
        self.ends_closed: set[str] = set()

    def __repr__(self) -> str:
        """Class and bound, or that it is closed."""
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        state = "closed" if self.closed else f"maxsize={self.maxsize}"
        return f"<{kind} {state} at {id(self):#x}>"

    def _is_ready(self) -> bool:
        return not self.empty()

    @property
    def _closed(self) -> bool:
        return self.closed


class MessageQueue(native.Queue, Handover):
    """The unbounded queue of those who need no more of it than messages: the pool and its workers.

    It is none of the standard library's classes, so nobody imports those for it.
    """

    def __init__(self, *, ctx: BaseContext | None = None) -> None:  # noqa: ARG002
        native.Queue.__init__(self)
        self.ends_closed = set()
