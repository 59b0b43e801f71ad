"""Queue, JoinableQueue and SimpleQueue in pure Python, for every platform.

The messages lie in a shared file (``portable_log``) and the waiting happens at gates
(``portable_gate``); this file adds the standard interface.  ``put`` returns when the message is
in the file: the process may exit right away, and ``join`` before draining cannot deadlock.
Each operation tries once with the turn of its end and otherwise waits at a gate, then tries again.

Pickling is done by the caller and without the turn, so what cannot be pickled raises in
``put`` and leaves the queue as it was.
"""

from __future__ import annotations

from collections import deque

from procession._engine.ipc.asynchronous import AsyncMethods
from procession._engine.ipc.interruptions import hold
from procession._engine.ipc.portable_base import Deadline, LogQueue
from procession._engine.ipc.queue_threads import NoFeederThread
from procession._engine.ipc.standard_queues import (
    StandardJoinableQueue,
    StandardQueue,
    StandardSimpleQueue,
)
from procession._engine.wire.pickler import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.context import BaseContext
    from typing import Any

    from procession._engine.ipc.portable_log import MessageLog

__all__ = ["JoinableQueue", "Queue", "SimpleQueue"]


class Queue(LogQueue, AsyncMethods, NoFeederThread, StandardQueue):  # type: ignore[misc]  # own state
    """A queue for many producers and many consumers, first in, first out.

    ``maxsize`` bounds the number of messages; 0 or less means no bound.  ``ctx`` is taken for
    compatibility: the queue needs nothing of a context.
    """

    __module__ = "procession.queues"

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext | None = None) -> None:  # noqa: ARG002
        self._open(maxsize)

    def close(self) -> None:
        """Close the queue in this process; using it afterwards raises ValueError."""
        if not self.closed:
            self._settle_empty()
        super().close()

    def _attach(self, maxsize: int, log: MessageLog) -> None:
        super()._attach(maxsize, log)
        # Taken by a get_many that met a message which could not be unpickled: first that
        # message's exception, unless it was raised there and then, and what came after it.
        self._left: deque[bytes | Exception] = deque()

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put ``obj``, waiting for room at most ``timeout`` seconds (None: for ever).

        It is safely in the queue on return.  Raises queue.Full when there is no room in time,
        ValueError when the queue is closed, and what pickling ``obj`` raises.
        """
        if self._closed:
            self._check_closed()
        if timeout is not None and block:
            timeout += 0.0  # raises TypeError, as the standard queue does
        message = dumps(obj)
        if not self._log.put_one(message):
            self._put_late(message, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next object, waiting at most ``timeout`` seconds (None: for ever).

        Raises queue.Empty when none comes in time, and ValueError when the queue is closed.
        """
        if self._closed:
            self._check_closed()
        if self._left:
            return self._load_left()
        if timeout is not None and block:
            timeout += 0.0  # raises TypeError, as the standard queue does
        message = self._log.take_one()
        if message is None:
            message = self._take_late(block, timeout)
        return loads(message)

    def put_nowait(self, obj: Any) -> None:
        """As ``put(obj, block=False)``."""
        self.put(obj, False)

    def get_nowait(self) -> Any:
        """As ``get(block=False)``."""
        return self.get(False)

    def put_many(
        self, objs: Sequence[Any], block: bool = True, timeout: float | None = None
    ) -> int:
        """Put all, in order; returns the index of the first (a queue counts from 0).

        They are not interleaved with others' messages while there is room for them.  Raises
        queue.Full after ``timeout`` seconds with ``error.put`` = how many were put.  An object
        that cannot be pickled raises before anything is put.
        """
        self._check_closed()
        return self._put_pickled([dumps(obj) for obj in objs], block, timeout)

    def get_many(
        self,
        max_items: int,
        block: bool = True,
        timeout: float | None = None,
        *,
        claim: int | None = None,
    ) -> list[Any]:
        """Take at least one and at most ``max_items`` objects, of those that are there.

        With ``claim`` (0 to 255) the range of message indices that was taken is written into
        that claim before it is taken: ``claimed`` tells others what this process held.
        Raises queue.Empty after ``timeout`` seconds.  A message that cannot be unpickled raises
        when it is the first; otherwise those before it are returned, and the next call raises.
        """
        self._check_closed()
        if max_items < 1:
            raise ValueError(f"get_many() takes one message or more, not max_items={max_items}")
        if self._left:
            return [self._load_left()]
        if max_items == 1 and (message := self._log.take_one(claim)) is not None:
            return [loads(message)]
        return self._load_all(self._take_pickled(max_items, block, timeout, claim))

    def hand_over(
        self, append: Callable[[Any], object], max_items: int, timeout: float | None
    ) -> int:
        """Take messages as ``get_many`` does, and give each to ``append``; returns how many.

        0 when none came within ``timeout`` seconds.  None is lost by a KeyboardInterrupt.
        """
        self._check_closed()
        deadline = Deadline(True, timeout)
        while not (count := self._hand_over_now(append, max_items)):
            if deadline.passed:
                return 0
            self._wait_for_message(deadline)
        return count

    def _hand_over_now(self, append: Callable[[Any], object], max_items: int) -> int:
        held = hold()
        try:
            messages = self._log.take(max_items)
            for message in messages:
                append(loads(message))
        finally:
            if held is not None:
                held.let_go()
        return len(messages)

    def _load_all(self, messages: list[bytes]) -> list[Any]:
        """Unpickle; what comes after a message that cannot be waits for the next call."""
        objects: list[Any] = []
        for index, message in enumerate(messages):
            try:
                objects.append(loads(message))
            except Exception as error:  # unpickling may raise anything
                self._left.extend(messages[index + 1 :])
                if not objects:
                    raise
                self._left.appendleft(error)
                break
        return objects

    def _load_left(self) -> Any:
        entry = self._left.popleft()
        if isinstance(entry, Exception):
            raise entry
        return loads(entry)

    def empty(self) -> bool:
        """Whether there is no message; exact at the moment of asking."""
        return super().empty() and not self._left

    def claimed(self, claim: int) -> tuple[int, int]:
        """(first index, count) of the last range taken under this claim; count 0 for none.

        A range at or above ``messages_taken`` was announced by a process that died before it
        took the messages: they are still in the queue.
        """
        self._check_closed()
        return self._log.read_claim(claim)

    def clear_claim(self, claim: int) -> None:
        """Forget what was taken under this claim."""
        self._check_closed()
        self._log.clear_claim(claim)

    @property
    def messages_put(self) -> int:
        """How many messages were ever put."""
        self._check_closed()
        return self._log.header().put

    @property
    def messages_taken(self) -> int:
        """How many messages were ever taken."""
        self._check_closed()
        return self._log.header().taken

    def qsize(self) -> int:
        """How many messages there are; exact at the moment of asking."""
        self._check_closed()
        return self._log.size()

    def full(self) -> bool:
        """Whether there are ``maxsize`` messages; exact at the moment of asking."""
        self._check_closed()
        return self._log.full()


class JoinableQueue(Queue, StandardJoinableQueue):  # type: ignore[misc]  # own state
    """A Queue that counts the tasks put into it and not yet reported as done."""

    __module__ = "procession.queues"

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext | None = None) -> None:  # noqa: ARG002
        self._open(maxsize, counts_tasks=True)

    def task_done(self) -> None:
        """Report one object that was got as done; ValueError if called more often than put."""
        self._check_closed()
        if not self._log.finish_task():
            raise ValueError("task_done() called too many times")

    def join(self, timeout: float | None = None) -> bool:  # type: ignore[override]  # says more
        """Wait, at most ``timeout`` seconds, until all tasks are done; says whether they are."""
        self._check_closed()
        deadline = Deadline(True, timeout)
        while not self._log.all_finished():
            if deadline.passed:
                return False
            self._log.wait_for_idle(deadline.left())
            self._check_closed()
        return True


class SimpleQueue(LogQueue, StandardSimpleQueue):  # type: ignore[misc]  # own state
    """An unbounded queue with put, get and empty."""

    __module__ = "procession.queues"

    def __init__(self, *, ctx: BaseContext | None = None) -> None:  # noqa: ARG002
        self._open()

    def put(self, obj: Any) -> None:
        """Put ``obj``; raises what pickling it raises, OSError when the queue is closed."""
        if self._closed:
            self._check_closed()
        self._log.put_one(dumps(obj))  # always has room

    def get(self) -> Any:
        """Wait for the next object and take it; raises OSError when the queue is closed."""
        if self._closed:
            self._check_closed()
        message = self._log.take_one()
        if message is None:
            message = self._take_late(True, None)
        return loads(message)

    def _check_closed(self) -> None:
        if self._closed:
            raise OSError(f"handle is closed ({self!r})")
