"""A file without a name that several processes share, and the lock that guards it.

The portable transport keeps its queues in such files: memory that every system has, that any
process may be handed by descriptor, and that is gone when the last of them has closed it.

The lock excludes threads and processes alike: a ``threading.Lock`` first, then a lock of the
operating system on the file (``fcntl`` record locks; ``msvcrt.locking`` on Windows).  The latter
is released by the kernel when its owner dies, so a killed process never leaves it held.  What a
killed process was writing is the caller's business: it commits with one small write.

Record locks have three traps, and this file is where they are stepped around:

* they exclude processes, not threads: hence the thread lock;
* a process loses them when it closes *any* descriptor of the file: hence all objects of one file
  share one guard per process, and a descriptor is closed only while nobody holds that guard;
* the kernel's deadlock detector thinks a process is one thread and may cry wolf (EDEADLK) when
  two processes each hold one queue and want the other's in different threads: such a request is
  repeated, since every holder leaves without waiting for anything else.
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

    from procession._engine.ipc.interruptions import Held

__all__ = ["SharedFile"]

_LARGEST_CALL = 1 << 30  # some systems refuse reads and writes of 2 GiB and more
_RETRY_SECONDS = 0.001

_TRIES = 20
"""So often the lock is tried before its taker sleeps.  It is held for 5 to 20 us, half of what it
takes to fall asleep and be woken on another core."""

if sys.platform == "win32":
    import msvcrt

    _LOCK_OFFSET = 1 << 60  # such locks forbid access to the bytes locked: none is ever there

    def _lock_file(descriptor: int) -> None:
        tries = 0
        while True:
            os.lseek(descriptor, _LOCK_OFFSET, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EDEADLK):
                    raise
            else:
                return
            tries += 1
            time.sleep(0 if tries < _TRIES else _RETRY_SECONDS)

    def _unlock_file(descriptor: int) -> None:
        os.lseek(descriptor, _LOCK_OFFSET, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def _read_at(descriptor: int, length: int, offset: int) -> bytes:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, length)

    def _write_at(descriptor: int, data: bytes | memoryview, offset: int) -> int:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)

else:
    import fcntl

    _read_at = os.pread
    _write_at = os.pwrite

    def _lock_file(descriptor: int) -> None:
        for _ in range(_TRIES):
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    raise
            else:
                return
            os.sched_yield()
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX, 1)
            except OSError as error:
                if error.errno != errno.EDEADLK:
                    raise
            else:
                return
            time.sleep(_RETRY_SECONDS)

    def _unlock_file(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1)


class _Guard:
    """What the threads of this process share about one file: a lock, and descriptors to close.

    ``held``: Ctrl-C, while the main thread has the lock.
    """

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.held: Held | None = None
        self._retired: list[Callable[[], None]] = []

    def retire(self, close: Callable[[], None]) -> None:
        """Call ``close`` as soon as no thread of this process holds the lock; never waits.

        It may be called from anywhere, also by the garbage collector in the middle of an
        operation of the same thread.
        """
        self._retired.append(close)
        self.close_retired()

    def close_retired(self) -> None:
        """Close what was retired, unless somebody holds the lock, who will then do it."""
        # The loop: something may have been retired after the last pass and before the release.
        while self._retired and self.mutex.acquire(blocking=False):
            try:
                while self._retired:
                    self._retired.pop()()
            finally:
                self.mutex.release()


_guards: weakref.WeakValueDictionary[tuple[int, int], _Guard] = weakref.WeakValueDictionary()
_guards_mutex = threading.Lock()


def _guard_of(descriptor: int) -> _Guard:
    status = os.fstat(descriptor)
    if status.st_ino == 0:
        return _Guard()
    with _guards_mutex:
        return _guards.setdefault((status.st_dev, status.st_ino), _Guard())


def _renew_locks() -> None:
    """After a fork: the threads that may have held these locks do not exist here."""
    global _guards_mutex  # noqa: PLW0603  # a module's lock can be renewed in no other way
    _guards_mutex = threading.Lock()
    for guard in list(_guards.values()):
        guard.mutex = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


class SharedFile:
    """An anonymous file, open in any number of processes; ``with file:`` is its lock.

    Reading and writing take offsets.  They are meant to happen under the lock.
    """

    def __init__(self) -> None:
        with tempfile.TemporaryFile(buffering=0) as file:
            self._attach(os.dup(file.fileno()))

    def _attach(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._guard = _guard_of(descriptor)
        self._close = weakref.finalize(self, self._guard.retire, _closer(descriptor))
        self._close.atexit = False

    def __getstate__(self) -> SharedDescriptors:
        """The file's descriptor, packed for another process."""
        return share((self._descriptor,))

    def __setstate__(self, state: SharedDescriptors) -> None:
        """Attach to the file that another process handed over."""
        self._attach(*state.take())

    def __enter__(self) -> SharedFile:
        """Wait until no other thread and no other process is inside."""
        held = hold()
        guard = self._guard
        guard.mutex.acquire()
        try:
            _lock_file(self._descriptor)
        except BaseException:
            guard.mutex.release()
            if held is not None:
                held.let_go()
            raise
        guard.held = held
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the next one in."""
        guard = self._guard
        held, guard.held = guard.held, None
        try:
            _unlock_file(self._descriptor)
        finally:
            guard.mutex.release()
            guard.close_retired()
            if held is not None:
                held.let_go()

    def close(self) -> None:
        """Close this process's descriptor, once no thread of it is inside."""
        self._close()

    def read(self, length: int, offset: int) -> bytes:
        """``length`` bytes from ``offset``; raises OSError when the file ends before."""
        first = length if length < _LARGEST_CALL else _LARGEST_CALL
        data = _read_at(self._descriptor, first, offset)
        if len(data) == length:
            return data
        parts = [data]
        missing = length - len(data)
        while missing > 0 and parts[-1]:
            start = offset + length - missing
            parts.append(_read_at(self._descriptor, min(missing, _LARGEST_CALL), start))
            missing -= len(parts[-1])
        if missing > 0:
            raise OSError(
                errno.EIO,
                f"a queue's file ends {missing} bytes before the end of its message: it was"
                " damaged from outside; make a new queue",
            )
        return b"".join(parts)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Write all of ``data`` at ``offset``; raises OSError, as when the disk is full."""
        written = _write_at(self._descriptor, data, offset)
        if written == len(data):
            return
        rest = memoryview(data)[written:]
        while rest:
            offset += written
            written = _write_at(self._descriptor, rest[:_LARGEST_CALL], offset)
            rest = rest[written:]

    def truncate(self, length: int) -> None:
        """Give back what lies behind ``length`` bytes."""
        os.ftruncate(self._descriptor, length)


def _closer(descriptor: int) -> Callable[[], None]:
    return lambda: os.close(descriptor)
