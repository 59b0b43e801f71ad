"""Locks and their kin over the native core: in shared memory, freed by their holder's death.

They are subclasses of the standard library's, whose texts and habits they keep; the native type
comes first among the bases, so ``acquire``, ``release`` and ``with`` cost what the core costs.

Hundreds of them lie in one piece of memory, the ``Cells``, with one descriptor.  A pickle names
the cells, which travel once however many locks it has, and the number of the lock in them.
"""

from __future__ import annotations

import copyreg
import os
import sys
import threading
import time
from multiprocessing import synchronize as std

from procession._engine import native
from procession._engine.wire.descriptors import SharedDescriptors, share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext
    from typing import Any

__all__ = ["Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore"]

_RECURSIVE, _COUNTING = 0, 1  # the standard library's kinds
_LOOK_AGAIN_SECONDS = 0.5


def _reduce_cells(cells: native.Cells) -> tuple[Any, ...]:
    return _attach_cells, (share(cells.descriptors()),)


def _attach_cells(handed_over: SharedDescriptors) -> native.Cells:
    (memory,) = handed_over.take()
    try:
        return native.Cells(memory)
    except BaseException:
        os.close(memory)
        raise


copyreg.pickle(native.Cells, _reduce_cells)


class _SemLock(native.Semaphore):
    """What locks and semaphores share: how they travel, and the names that programs read."""

    _is_fork_ctx = False  # ours belong to no start method

    def __getstate__(self) -> tuple[Any, ...]:
        """All that another process needs to open it."""
        return self.kind, self.maxvalue, self.has_holder, self.place

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Open what another process made; nothing of it has been acquired here."""
        kind, maxvalue, has_holder, place = state
        native.Semaphore.__init__(self, kind, 0, maxvalue, has_holder, place=place)

    @property
    def _semlock(self) -> native.Semaphore:
        """Where the standard classes keep what does the work: this very object."""
        return self

    def locked(self) -> bool:
        """Whether none is left to acquire, at this moment."""
        return self._is_zero()


class Lock(_SemLock, std.Lock):
    """A lock between processes; any thread of any process may release it.

    It belongs to the process that acquired it: when that process ends without having released
    it, however it ends, the next ``acquire`` takes the lock over, and its ``abandoned`` says so.
    ``ctx`` is taken for compatibility.
    """

    __module__ = "procession.synchronize"

    def __init__(self, *, ctx: BaseContext | None = None) -> None:  # noqa: ARG002
        native.Semaphore.__init__(self, _COUNTING, 1, 1, True)


class RLock(_SemLock, std.RLock):
    """A lock that the thread which holds it may acquire again; else as ``Lock``."""

    __module__ = "procession.synchronize"

    def __init__(self, *, ctx: BaseContext | None = None) -> None:  # noqa: ARG002
        native.Semaphore.__init__(self, _RECURSIVE, 1, 1, True)


class Semaphore(_SemLock, std.Semaphore):
    """A semaphore between processes.  What a killed process had acquired stays acquired."""

    __module__ = "procession.synchronize"

    def __init__(self, value: int = 1, *, ctx: BaseContext | None = None) -> None:  # noqa: ARG002
        native.Semaphore.__init__(self, _COUNTING, value, native.Semaphore.SEM_VALUE_MAX)


class BoundedSemaphore(Semaphore, std.BoundedSemaphore):
    """A Semaphore that cannot be released more often than it was acquired."""

    __module__ = "procession.synchronize"

    def __init__(self, value: int = 1, *, ctx: BaseContext | None = None) -> None:  # noqa: ARG002
        native.Semaphore.__init__(self, _COUNTING, value, value)


class _Number:
    """Stands where the standard condition has a semaphore: its value can be read."""

    def __init__(self, value: int) -> None:
        self._value = value

    def get_value(self) -> int:
        """The number."""
        return self._value

    @property
    def _semlock(self) -> _Number:
        return self

    _get_value = get_value


class Condition(std.Condition):
    """A condition variable between processes.

    ``notify`` wakes those who have waited longest and are alive; it waits for none of them.
    ``lock`` is a lock of ours or of the standard library; without one, an RLock is made.
    """

    __module__ = "procession.synchronize"

    if TYPE_CHECKING:  # of the standard class: takes acquire and release from the lock

        def _make_methods(self) -> None: ...

    def __init__(
        self, lock: std.Lock | std.RLock | None = None, *, ctx: BaseContext | None = None
    ) -> None:
        self._attach(RLock(ctx=ctx) if lock is None else lock, native.ParkingLot())

    def _attach(self, lock: Any, lot: native.ParkingLot) -> None:
        self._lock = lock
        self._lot = lot
        self._make_methods()

    def __getstate__(self) -> tuple[Any, ...]:
        """The lock, and where the waiters are."""
        return self._lock, self._lot.place

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Open what another process made."""
        lock, place = state
        self._attach(lock, native.ParkingLot(place=place))

    def __repr__(self) -> str:
        """Class, lock and the number of waiters."""
        return f"<{type(self).__name__}({self._lock}, {self._lot.waiters()})>"

    @property
    def _sleeping_count(self) -> _Number:
        return _Number(self._lot.waiters())

    @property
    def _woken_count(self) -> _Number:
        return _Number(0)

    @property
    def _wait_semaphore(self) -> _Number:
        return _Number(0)

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock, wait to be notified, acquire the lock again; False after a time-out.

        ``timeout`` is in seconds.  Raises AssertionError when this thread does not hold the lock.
        """
        semlock = self._lock._semlock  # noqa: SLF001
        if not semlock._is_mine():  # noqa: SLF001
            raise AssertionError("must acquire() condition before using wait()")
        return self._lot.wait(semlock, timeout)

    def notify(self, n: int = 1) -> None:
        """Wake at most ``n`` that wait; AssertionError when this thread does not hold the lock."""
        if not self._lock._semlock._is_mine():  # noqa: SLF001
            raise AssertionError("lock is not owned")
        self._lot.notify(n)

    def notify_all(self) -> None:
        """Wake all that wait."""
        self.notify(sys.maxsize)


class Event(native.Flag, std.Event):
    """A flag between processes that can be waited for.

    A waiter that was waiting when the flag was set returns True, also if it was cleared since.
    """

    __module__ = "procession.synchronize"

    def __init__(self, *, ctx: BaseContext | None = None) -> None:  # noqa: ARG002
        native.Flag.__init__(self)

    def __getstate__(self) -> tuple[Any, ...]:
        """Where other processes find it."""
        return (self.place,)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Open what another process made."""
        native.Flag.__init__(self, place=state[0])

    def __repr__(self) -> str:
        """Class, and whether it is set."""
        state = "set" if self.is_set() else "unset"
        return f"<{type(self).__qualname__} at {id(self):#x} {state}>"


_GENERATION, _BROKEN, _OUTCOMES = 0, 1, 2  # the barrier's notes on its condition
_REMEMBERED = 64  # outcomes of so many generations, one bit each


class Barrier(std.Barrier):
    """A point that ``parties`` threads of any processes pass together.

    Who is killed while it waits is counted no longer: the others wait for somebody else, for
    their time-out or for ``abort``.  ``action`` is called by one of them before all go on;
    ``timeout``, in seconds, is what ``wait`` takes where it is given none.

    Those who pass together are a generation.  The barrier notes the number of the present
    one, and of the last ones whether they passed or were broken.
    """

    __module__ = "procession.synchronize"

    def __init__(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        *,
        ctx: BaseContext | None = None,
    ) -> None:
        if parties < 1:
            raise ValueError("parties must be > 0")
        self.__setstate__((parties, action, timeout, Condition(ctx=ctx)))

    def __getstate__(self) -> tuple[Any, ...]:
        """What it is made of."""
        return self._parties, self._action, self._timeout, self._cond

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Open what another process made."""
        self._parties, self._action, self._timeout, self._cond = state
        self._lot: native.ParkingLot = self._cond._lot  # noqa: SLF001

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the others; returns which of them this one is, from 0 to parties - 1.

        Raises BrokenBarrierError when the barrier is or gets broken, by ``abort``, ``reset``, a
        failed action or after ``timeout`` seconds.
        """
        if timeout is None:
            timeout = self._timeout
        with self._cond:
            if self.broken:
                raise threading.BrokenBarrierError
            index = self._lot.waiters()
            if index + 1 >= self._parties:
                self._pass()
            else:
                self._wait_for_end(self._lot.note(_GENERATION), timeout)
            return index

    def reset(self) -> None:
        """Begin anew; those who wait get BrokenBarrierError."""
        with self._cond:
            self._end_generation(broken=True)
            self._lot.set_note(_BROKEN, 0)

    def abort(self) -> None:
        """Break the barrier until it is reset; those who wait get BrokenBarrierError."""
        with self._cond:
            self._break()

    @property
    def n_waiting(self) -> int:
        """How many wait, and are alive."""
        return self._lot.waiters()

    @property
    def broken(self) -> bool:
        """Whether it is broken."""
        return self._lot.note(_BROKEN) != 0

    def _pass(self) -> None:
        """The last one has come: run the action, let all go on."""
        try:
            if self._action is not None:
                self._action()
        except BaseException:
            self._break()
            raise
        self._end_generation(broken=False)

    def _wait_for_end(self, generation: int, timeout: float | None) -> None:
        end = None if timeout is None else time.monotonic() + timeout
        while self._lot.note(_GENERATION) == generation:
            left = _LOOK_AGAIN_SECONDS if end is None else end - time.monotonic()
            if left <= 0:
                self._break()
                break
            # Who ended the generation may have been killed before it told everybody.
            self._cond.wait(min(left, _LOOK_AGAIN_SECONDS))
        if self._lot.note(_OUTCOMES) >> generation % _REMEMBERED & 1:
            raise threading.BrokenBarrierError

    def _break(self) -> None:
        self._lot.set_note(_BROKEN, 1)
        self._end_generation(broken=True)

    def _end_generation(self, *, broken: bool) -> None:
        generation = self._lot.note(_GENERATION)
        bit = 1 << generation % _REMEMBERED
        outcomes = self._lot.note(_OUTCOMES)
        self._lot.set_note(_OUTCOMES, outcomes | bit if broken else outcomes & ~bit)
        self._lot.set_note(_GENERATION, generation + 1)
        self._cond.notify_all()
