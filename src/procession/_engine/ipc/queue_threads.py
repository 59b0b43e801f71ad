"""The standard queue's calls about its feeder thread, for queues that have none.

``put`` has stored the message when it returns, so there is no thread to wait for at exit,
and none whose work could be thrown away.
"""

from __future__ import annotations

from multiprocessing.synchronize import SEM_VALUE_MAX

__all__ = ["NoFeederThread"]


class NoFeederThread:
    """Mixed into Queue and JoinableQueue."""

    maxsize: int
    closed: bool

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
        """The bound, or the largest that the standard library knows."""
        return self.maxsize if self.maxsize > 0 else SEM_VALUE_MAX
