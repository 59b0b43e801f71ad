"""What the three classes of ``portable_queue`` share: one end of a message log, and its waits."""

from __future__ import annotations

import operator
import time

from procession._engine.errors import Empty, Full
from procession._engine.ipc.portable_log import MessageLog
from procession._engine.ipc.queue_ends import QueueEnds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["Deadline", "LogQueue"]


class Deadline:
    """How long an operation may still wait; ``timeout`` in seconds, None for ever."""

    def __init__(self, block: bool, timeout: float | None) -> None:
        if not block:
            timeout = 0
        self._end = None if timeout is None else time.monotonic() + max(0.0, timeout)

    def left(self) -> float | None:
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end


class _Room:
    """For asyncio: something whose descriptor is readable when there is room."""

    def __init__(self, log: MessageLog) -> None:
        self._log = log

    def fileno(self) -> int:
        """That of a gate which opens when there is room, or is open."""
        gate = self._log.expect_room()
        return -1 if gate is None else gate.fileno()


class LogQueue(QueueEnds):
    """What all three classes share: one end of a message log."""

    _log: MessageLog

    def _open(self, maxsize: int = 0, *, counts_tasks: bool = False) -> None:
        bound = max(0, operator.index(maxsize))
        self._attach(bound, MessageLog(bound, counts_tasks=counts_tasks))

    def _attach(self, maxsize: int, log: MessageLog) -> None:
        self._bound = maxsize
        self._log = log
        self._closed = False
        self.ends_closed = set()

    def __getstate__(self) -> tuple[Any, ...]:
        """All that another process needs to attach to this queue."""
        self._check_closed()
        return (self._bound, self._log)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Attach to the queue of another process."""
        self._attach(*state)

    def __repr__(self) -> str:
        """Class, size and bound, as far as they are known."""
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        return (
            f"<{kind} {'closed' if self._closed else f'maxsize={self.maxsize}'} at {id(self):#x}>"
        )

    @property
    def maxsize(self) -> int:
        """The bound; 0 for none."""
        return self._bound

    @property
    def closed(self) -> bool:
        """Whether this queue was closed in this process."""
        return self._closed

    def close(self) -> None:
        """Close the queue in this process; what others hold stays open."""
        if not self._closed:
            self._closed = True
            self._log.close()

    def fileno(self) -> int:
        """A descriptor that is readable while the queue has messages."""
        self._check_closed()
        return self._log.watch().fileno()

    def _check_closed(self) -> None:
        if self._closed:
            raise ValueError(f"Queue {self!r} is closed")

    def _is_ready(self) -> bool:
        return not self.empty()

    def _waitable(self) -> Any:
        """On Windows: what ``multiprocessing.connection.wait`` takes in place of this queue."""
        self._check_closed()
        gate: Any = self._log.watch()
        return gate.waitable()

    def _room_gate(self) -> _Room | None:
        return _Room(self._log) if self._bound else None

    def empty(self) -> bool:
        """Whether there is no message; exact at the moment of asking."""
        self._check_closed()
        return self._log.empty()

    def _put_pickled(self, messages: Sequence[bytes], block: bool, timeout: float | None) -> int:
        """Put all, waiting for room; returns the index of the first."""
        deadline = Deadline(block, timeout)
        first = done = 0
        while True:
            index, count = self._log.append(messages[done:] if done else messages)
            first = index if done == 0 else first
            done += count
            if done >= len(messages):
                return first
            if deadline.passed:
                raise _full(done)
            self._log.wait_for_room(deadline.left())
            self._check_closed()

    def _put_late(self, message: bytes, block: bool, timeout: float | None) -> None:
        """Put a message for which there was no room."""
        deadline = Deadline(block, timeout)
        while not deadline.passed:
            self._log.wait_for_room(deadline.left())
            self._check_closed()
            if self._log.put_one(message):
                return
        raise _full(0)

    def _take_late(self, block: bool, timeout: float | None) -> bytes:
        """Take a message where there was none."""
        deadline = Deadline(block, timeout)
        while not deadline.passed:
            self._wait_for_message(deadline)
            message = self._log.take_one()
            if message is not None:
                return message
        self._log.empty()  # for those who wait at its gate
        raise Empty

    def _take_pickled(
        self, max_items: int, block: bool, timeout: float | None, claim: int | None = None
    ) -> list[bytes]:
        deadline = Deadline(block, timeout)
        while not (messages := self._log.take(max_items, claim)):
            if deadline.passed:
                raise Empty
            self._wait_for_message(deadline)
        return messages

    def _wait_for_message(self, deadline: Deadline) -> None:
        self._log.wait_for_message(deadline.left())
        self._check_closed()


def _full(put: int) -> Full:
    """queue.Full that says how many of the messages were put."""
    error = Full()
    error.put = put  # type: ignore[attr-defined]  # documented at put_many
    return error
