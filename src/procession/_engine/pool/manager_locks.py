"""The locks of a manager: given up when the client that holds one is dead.

Each thread of a client is served by a thread of the manager's, and it is this thread that
acquires.  It notes what it holds.  When its client has hung up while something is held, it waits
until the client's process has ended (the thread alone may have, and any other may still release
the lock), and releases what is held then.  Only the kernel knows whose process that is: so
this holds for connections on this machine that are no network's (AF_UNIX), where there are pidfds.
"""

from __future__ import annotations

import multiprocessing.connection
import os
import socket
import struct
import threading
from contextlib import suppress
from multiprocessing import managers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["Lock", "RLock", "Server", "condition"]

_CREDENTIALS: Final = struct.Struct("3i")


class _Serving(threading.local):
    """What a thread holds for its client, an entry for each time that it was acquired."""

    def __init__(self) -> None:
        self.held: list[Any] = []


_SERVING = _Serving()


class Lock:
    """``threading.Lock``, and who holds it.  Any thread may release it.

    So a program may let one process acquire it and end, and another release it.  A lock that was
    given up may therefore be released once, until it is acquired again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: list[Any] = []
        self._given_up = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As ``threading.Lock.acquire``."""
        got = self._lock.acquire(blocking, timeout)
        if got:
            self._given_up = False
            self._holder = _SERVING.held
            self._holder.append(self)
        return got

    def release(self) -> None:
        """As ``threading.Lock.release``."""
        try:
            self._holder.remove(self)  # by one thread only, also when the holder dies now
        except ValueError:
            if self._given_up:
                self._given_up = False
                return
            raise RuntimeError("release unlocked lock") from None
        self._lock.release()

    def give_up(self) -> None:
        """Release it for the client of this thread, who is dead."""
        with suppress(ValueError):  # somebody has released it
            _SERVING.held.remove(self)
            self._given_up = True
            self._lock.release()

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._lock.locked()

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return repr(self._lock)


class RLock:
    """``threading.RLock``, and who holds it."""

    def __init__(self) -> None:
        self._lock: Any = threading.RLock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As ``threading.RLock.acquire``."""
        got: bool = self._lock.acquire(blocking, timeout)
        if got:
            _SERVING.held.append(self)
        return got

    def release(self) -> None:
        """As ``threading.RLock.release``."""
        self._lock.release()
        _SERVING.held.remove(self)

    give_up = release

    def locked(self) -> bool:
        """Whether somebody holds it."""
        if self._lock._is_owned():  # noqa: SLF001  # as Condition asks
            return True
        free: bool = self._lock.acquire(False)
        if free:
            self._lock.release()
        return not free

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return repr(self._lock)

    # ---- what a Condition asks of it

    def _is_owned(self) -> bool:
        owned: bool = self._lock._is_owned()  # noqa: SLF001
        return owned

    def _release_save(self) -> tuple[Any, int]:
        times = _SERVING.held.count(self)
        for _ in range(times):
            _SERVING.held.remove(self)
        return self._lock._release_save(), times  # noqa: SLF001

    def _acquire_restore(self, saved: tuple[Any, int]) -> None:
        state, times = saved
        self._lock._acquire_restore(state)  # noqa: SLF001
        _SERVING.held.extend([self] * times)


def condition(lock: Any = None) -> threading.Condition:
    """Return a condition, by itself over a lock that is given up."""
    beneath: Any = RLock() if lock is None else lock
    return threading.Condition(beneath)


class Server(managers.Server):
    """Serves a manager's objects, and gives up what the dead hold."""

    def serve_client(self, conn: Any) -> None:
        """Serve one thread of a client, until it hangs up."""
        process = _process_of(conn)
        if process is None:
            super().serve_client(conn)
            return
        try:
            super().serve_client(conn)
        finally:
            if _SERVING.held:
                multiprocessing.connection.wait([process])
                for lock in _SERVING.held[:]:
                    lock.give_up()
            os.close(process)


def _process_of(conn: Any) -> int | None:
    """Return a descriptor that tells of the end of the process at the other end, or None."""
    if not hasattr(os, "pidfd_open") or not hasattr(socket, "SO_PEERCRED"):
        return None
    try:
        with socket.socket(fileno=os.dup(conn.fileno())) as peer:
            said = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return os.pidfd_open(_CREDENTIALS.unpack(said)[0])
    except (OSError, ValueError, struct.error):  # a network's, of another namespace, or gone
        return None
