"""Turns: locks between processes that a dead process does not keep, and between threads.

A turn is a ``threading.Lock`` first, then a lock of the operating system on a byte of a file
(``fcntl`` record locks; ``msvcrt.locking`` on Windows). The latter is released by the kernel when
its owner dies, so a killed process never leaves it held. What a killed process was writing is the
caller's business: see ``portable_log``.

Record locks have three traps, and this file is where they are stepped around:

* they exclude processes, not threads: hence the thread lock;
* a process loses them when it closes *any* descriptor of the file: hence the file holds nothing
  but locks (mapping a file duplicates its descriptor), all objects of one file share one guard per
  process, and a descriptor is closed only while nobody holds one of the guard's turns;
* the kernel's deadlock detector thinks a process is one thread and may cry wolf (EDEADLK) when
  two processes each hold one queue and want the other's in different threads: such a request is
  repeated, since every holder leaves without waiting for anything else.

``with turn:`` holds Ctrl-C back until it is left. For each message that would take longer than
all the rest, so the two short ways of ``portable_log`` take a turn by themselves, in this form:

    with turn.lock.mutex:
        try:
            try:
                ask(*turn.seize)
            except OSError as error:
                turn.wait(error)
            ...
        finally:
            ask(*turn.leave)

It keeps no turn whatever a signal handler raises, and where: handlers run when a function is
entered or has been called or a loop goes round, so never between ``with`` and ``try``, nor before
the call in ``finally``, which is one of a C function; and to leave a turn that was not taken does
nothing (it is an error on Windows, where there are no short ways for that reason).
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import threading
import time
import weakref

from procession._engine.ipc.interruptions import hold
from procession._engine.wire.descriptors import SharedDescriptors, share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from procession._engine.ipc.interruptions import Held

__all__ = ["Turn", "Turns", "ask", "give_way"]

_RETRY_SECONDS = 0.001

_TRIES = 20
"""So often a turn is asked for before its taker sleeps.  It is held for some microseconds, a part
of what it takes to fall asleep and be woken on another core."""

_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    # Threads of a process would move each other's position in a file: each lock has its own,
    # in which nobody ever moves.
    _FILES_PER_LOCK = 1

    def ask(descriptor: int, what: int, length: int) -> None:
        """Take or leave a lock, by the arguments that a turn has for it."""
        msvcrt.locking(descriptor, what, length)

    def _arguments(descriptors: tuple[int, ...], number: int) -> tuple[tuple[int, ...], ...]:
        seize = (descriptors[number], msvcrt.LK_NBLCK, 1)
        return seize, (descriptors[number], msvcrt.LK_UNLCK, 1), seize

    def give_way() -> None:
        """Let others run who wait for this processor, or for the interpreter."""
        time.sleep(0)

else:
    import fcntl

    _FILES_PER_LOCK = 0

    ask: Any = fcntl.lockf
    """Take or leave a lock, by the arguments that a turn has for it."""

    def _arguments(descriptors: tuple[int, ...], number: int) -> tuple[tuple[int, ...], ...]:
        descriptor = descriptors[0]
        return (
            (descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number),
            (descriptor, fcntl.LOCK_UN, 1, number),
            (descriptor, fcntl.LOCK_EX, 1, number),
        )

    give_way = os.sched_yield


class _Lock:
    """What the threads of this process share about one turn.

    ``held``: Ctrl-C, while the main thread is in it by ``with``.
    """

    __slots__ = ("held", "mutex")

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.held: Held | None = None


class _Guard:
    """What the threads of this process share about one file: its locks, and what to close."""

    def __init__(self) -> None:
        self.locks: list[_Lock] = []
        self.retired: list[Callable[[], None]] = []

    def retire(self, close: Callable[[], None]) -> None:
        """Call ``close`` as soon as no thread of this process has a turn; never waits.

        It may be called from anywhere, also by the garbage collector in the middle of an
        operation of the same thread.
        """
        self.retired.append(close)
        self.close_retired()

    def close_retired(self) -> None:
        """Close what was retired, unless somebody has a turn, who will then do it."""
        # The loop: something may have been retired after the last pass and before the release.
        while self.retired:
            taken = []
            try:
                for lock in self.locks:
                    if not lock.mutex.acquire(blocking=False):
                        return
                    taken.append(lock.mutex)
                while self.retired:
                    self.retired.pop()()
            finally:
                for mutex in taken:
                    mutex.release()


_guards: weakref.WeakValueDictionary[tuple[int, int], _Guard] = weakref.WeakValueDictionary()
_guards_mutex = threading.Lock()


def _guard_of(descriptor: int, count: int) -> _Guard:
    status = os.fstat(descriptor)
    with _guards_mutex:
        guard = _Guard()
        if status.st_ino != 0:
            guard = _guards.setdefault((status.st_dev, status.st_ino), guard)
        while len(guard.locks) < count:
            guard.locks.append(_Lock())
        return guard


def _renew_locks() -> None:
    """After a fork: the threads that may have held these locks do not exist here."""
    global _guards_mutex  # noqa: PLW0603  # a module's lock can be renewed in no other way
    _guards_mutex = threading.Lock()
    for guard in list(_guards.values()):
        for lock in guard.locks:
            lock.mutex, lock.held = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


class Turn:
    """One lock; ``with turn:`` waits until no other thread and no other process is inside."""

    __slots__ = ("_wait", "guard", "leave", "lock", "seize")

    def __init__(self, guard: _Guard, descriptors: tuple[int, ...], number: int) -> None:
        self.guard = guard
        self.lock = guard.locks[number]
        self.seize, self.leave, self._wait = _arguments(descriptors, number)

    def wait(self, error: OSError) -> None:
        """Get the file's lock, after a first try that failed with ``error``."""
        if error.errno not in _TAKEN:
            raise error
        for _ in range(_TRIES):
            give_way()
            if _succeeds(self.seize):
                return
        while not _succeeds(self._wait):
            time.sleep(_RETRY_SECONDS)

    def __enter__(self) -> Turn:
        held = hold()
        lock = self.lock
        lock.mutex.acquire()
        try:
            try:
                ask(*self.seize)
            except OSError as error:
                self.wait(error)
        except BaseException:
            lock.mutex.release()
            if held is not None:
                held.let_go()
            raise
        lock.held = held
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lock = self.lock
        held, lock.held = lock.held, None
        try:
            ask(*self.leave)
        finally:
            lock.mutex.release()
            if self.guard.retired:
                self.guard.close_retired()
            if held is not None:
                held.let_go()


def _succeeds(arguments: tuple[int, ...]) -> bool:
    try:
        ask(*arguments)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    return True


class Turns:
    """``count`` turns, for any number of processes; ``turns.all`` are they."""

    def __init__(self, count: int) -> None:
        self._attach(count, tuple(_new_file() for _ in range(max(1, count * _FILES_PER_LOCK))))

    def _attach(self, count: int, descriptors: tuple[int, ...]) -> None:
        self._count = count
        self._descriptors = descriptors
        guard = _guard_of(descriptors[0], count)
        self.all = tuple(Turn(guard, descriptors, number) for number in range(count))
        self._close = weakref.finalize(self, guard.retire, _closer(descriptors))
        self._close.atexit = False

    def __getstate__(self) -> tuple[int, SharedDescriptors]:
        """The descriptors, packed for another process."""
        return self._count, share(self._descriptors)

    def __setstate__(self, state: tuple[int, SharedDescriptors]) -> None:
        """Attach to the turns that another process handed over."""
        count, descriptors = state
        self._attach(count, descriptors.take())

    def close(self) -> None:
        """Close this process's descriptors, once none of its threads has a turn."""
        self._close()


def _new_file() -> int:
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


def _closer(descriptors: tuple[int, ...]) -> Callable[[], None]:
    def close() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    return close
