"""The standard queue's calls about its feeder thread, for queues that have none.

``put`` has stored the message when it returns, so there is no thread to wait for at exit,
and none whose work could be thrown away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

__all__ = ["NoFeederThread"]

_LARGEST_BOUND: Final = 2**31 - 1


class NoFeederThread:
    """Mixed into Queue and JoinableQueue."""

    if TYPE_CHECKING:  # what the queue has of its own

        @property
        def closed(self) -> bool: ...
        @property
        def maxsize(self) -> int: ...

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
