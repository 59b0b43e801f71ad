"""``aput`` and ``aget``: queues in asyncio, without threads.

Taking and putting are done by the ``_nowait`` forms in the event loop's own thread; in between,
the loop watches the queue's descriptor.  Nothing is taken before the coroutine that asked for it
runs, so a cancelled ``aget`` loses no message and a cancelled ``aput`` has put nothing.

A loop has one callback for each descriptor, while any number of coroutines may wait for one
queue: they stand in a list that one callback wakes.  Who wakes and finds nothing waits again.
Where there is nothing to watch (a loop without ``add_reader``, a transport that does not show
when there is room), the coroutine looks again at growing intervals of at most 20 ms.
"""

from __future__ import annotations

import weakref

from procession._engine.errors import Empty, Full

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any, Protocol

    class _Gate(Protocol):
        def fileno(self) -> int: ...


__all__ = ["AsyncMethods"]

_SHORTEST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.02

_Waiters = dict[int, list["asyncio.Future[None]"]]
_waiters: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiters]
_waiters = weakref.WeakKeyDictionary()


class AsyncMethods:
    """Mixed into Queue and JoinableQueue."""

    if TYPE_CHECKING:  # what the queue has of its own

        def get_nowait(self) -> Any: ...
        def put_nowait(self, obj: Any) -> None: ...
        def fileno(self) -> int: ...

    def _room_gate(self) -> _Gate | None:
        """Something whose descriptor is readable while there is room, or None."""
        return None

    async def aget(self) -> Any:
        """Wait for the next object and take it; raises ValueError when the queue is closed."""
        pause = _SHORTEST_PAUSE
        while True:
            try:
                return self.get_nowait()
            except Empty:  # the way to learn it
                pause = await _readable(self, pause)

    async def aput(self, obj: Any) -> None:
        """Wait for room and put ``obj``; raises what pickling it raises."""
        pause = _SHORTEST_PAUSE
        while True:
            try:
                return self.put_nowait(obj)
            except Full:  # as above
                pause = await _readable(self._room_gate(), pause)


async def _readable(gate: _Gate | None, pause: float) -> float:
    """Wait until ``gate`` is readable, or for ``pause`` seconds; returns the next pause."""
    # Every child imports this module, and few have an event loop: asyncio is half of what
    # there would be to import.
    import asyncio  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    if gate is not None:
        descriptor = gate.fileno()
        waiter = loop.create_future()
        try:
            _watch(loop, descriptor, waiter)
        except NotImplementedError:
            pass
        else:
            try:
                await waiter
            finally:
                _unwatch(loop, descriptor, waiter)
            return pause
    await asyncio.sleep(pause)
    return min(2 * pause, _LONGEST_PAUSE)


def _watch(loop: asyncio.AbstractEventLoop, descriptor: int, waiter: asyncio.Future[None]) -> None:
    waiting = _waiters.setdefault(loop, {}).setdefault(descriptor, [])
    if not waiting:
        loop.add_reader(descriptor, _wake, waiting)
    waiting.append(waiter)


def _unwatch(
    loop: asyncio.AbstractEventLoop, descriptor: int, waiter: asyncio.Future[None]
) -> None:
    waiting = _waiters[loop][descriptor]
    waiting.remove(waiter)
    if not waiting:
        del _waiters[loop][descriptor]
        loop.remove_reader(descriptor)


def _wake(waiting: list[asyncio.Future[None]]) -> None:
    for waiter in waiting:
        if not waiter.done():
            waiter.set_result(None)
