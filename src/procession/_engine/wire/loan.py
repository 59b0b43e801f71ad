"""Descriptors in a pickle that is read more than once, or never.

What ``resource_sharer`` serves is taken once.  The function of a pool's call is pickled once
and read by each worker that runs tasks of it, so what it carries is lent: every reader gets the
descriptors, until the call has ended.  (Sockets and the standard library's own connections are
shared by reducers of that library, and are taken once still.)

A loan serves what it lends as ``resource_sharer`` serves everything, and puts it back each time.
On Windows it does not: there a handle is taken once.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from multiprocessing import reduction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Loan", "lender"]

_KEPT_REFUSALS = 64
"""Of what is lent no more, how many are known still: for a reader that is late by a moment."""

_here = threading.local()
_refused: deque[_Lent] = deque()


class Loan:
    """What is shared in its ``with`` block is lent: taken any number of times until ``end``."""

    def __init__(self) -> None:
        self._lent: list[_Lent] = []

    def __bool__(self) -> bool:
        """Whether anything is lent."""
        return bool(self._lent)

    def __enter__(self) -> None:
        """Lend the descriptors that this thread shares within the block."""
        self._outer = lender()
        _here.loan = self

    def __exit__(self, *_: object) -> None:
        """Give back nothing yet: see ``end``."""
        _here.loan = self._outer

    def lend(self, descriptor: int) -> Any:
        """Return what to pickle, as ``reduction.DupFd`` does."""
        lent = _Lent(descriptor)
        self._lent.append(lent)
        return lent.handle

    def end(self) -> None:
        """Lend no more.  What was taken stays with those who took it."""
        lent, self._lent = self._lent, []
        for each in lent:
            each.end()


def lender() -> Loan | None:
    """The loan that is made in this thread, if any; on Windows there is none."""
    return None if sys.platform == "win32" else getattr(_here, "loan", None)


class _Lent:
    """A duplicate of one descriptor, served again and again."""

    def __init__(self, descriptor: int) -> None:
        # Only now: whoever lends nothing, each worker for one, does without it.
        from multiprocessing import resource_sharer  # noqa: PLC0415

        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._descriptor: int | None = os.dup(descriptor)
        self._served = (self._send, self._put_back)
        self._sharer: Any = resource_sharer._resource_sharer  # type: ignore[attr-defined]  # noqa: SLF001
        ident = self._sharer.register(*self._served)
        self._key = ident[1]
        # One of the standard library's, which has a duplicate of its own when it is made.
        self.handle: Any = resource_sharer.DupFd.__new__(resource_sharer.DupFd)
        self.handle._id = ident  # type: ignore[attr-defined]  # noqa: SLF001

    def end(self) -> None:
        """Close the duplicate.  Who asks from now on is turned away, and nobody is told of it."""
        self._close()
        _refused.append(self)
        while len(_refused) > _KEPT_REFUSALS:
            _refused.popleft()._forget()  # noqa: SLF001

    def _send(self, connection: Any, pid: int) -> None:
        with self._lock:
            if self._descriptor is not None:
                reduction.send_handle(connection, self._descriptor, pid)

    def _put_back(self) -> None:
        """What is served has been taken off the list; in a forked child the list is given up."""
        if os.getpid() == self._pid:
            self._sharer._cache[self._key] = self._served  # noqa: SLF001
        else:
            self._close()

    def _close(self) -> None:
        if os.getpid() != self._pid:
            # A forked child has no other thread, but perhaps a lock that one held.
            self._lock = threading.Lock()
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _forget(self) -> None:
        self._sharer._cache.pop(self._key, None)  # noqa: SLF001
