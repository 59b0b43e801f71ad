"""ThreadPool, as users hold it: the methods of our Pool, run by threads of this process."""

from __future__ import annotations

import multiprocessing.pool as standard

from procession._engine.pool.arguments import checked_callable, checked_threads, checked_timeout
from procession._engine.pool.making import Maker
from procession._engine.pool.policy import Pace
from procession._engine.pool.pool import Pool
from procession._engine.pool.states import INIT
from procession._engine.pool.thread_calls import ThreadMap, ThreadStream
from procession._engine.pool.thread_engine import ThreadEngine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Final

    from procession._engine.pool.calls import Call

__all__ = ["ThreadPool"]

_NO_RETRIES: Final = 0


class ThreadPool(Pool, standard.ThreadPool):
    """A fixed number of threads that run tasks.

    ``processes``: how many; None: one for each CPU that this process may use.
    ``initializer(*initargs)`` runs first in each thread.

    Arguments, results and exceptions are the very objects.  The methods are those of ``Pool``;
    ``timeout=`` raises ValueError, as a thread cannot be stopped (``get(timeout)`` of an
    asynchronous call stops waiting), and ``retries=`` has no effect, as no task ends a thread.
    """

    __module__ = "procession.pool"

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
    ) -> None:
        # Not the bases' __init__, which would make processes, or start their own threads.
        self._pool: list[Any] = []
        self._state = INIT
        self._ctx = type(self).default_context()
        self._processes = checked_threads(processes)
        self._initializer = checked_callable("initializer", initializer)
        self._initargs = initargs
        self._maxtasksperchild = None
        self._retries = _NO_RETRIES
        self._engine = ThreadEngine(self.Process, self._processes, initializer, initargs)
        self._calls = _ThreadMaker(
            self._engine, self._processes, _NO_RETRIES, None, fixed=True, stateful=False
        )
        self._start()


class _ThreadMaker(Maker):
    """Makes calls whose functions are called as they are.

    Tasks of threads may wait for each other, so those of ``imap``, and of a ``map`` with a
    ``chunksize``, go together as the caller says, begin in their order, and never by their times.
    """

    map_kind = ThreadMap
    stream_kind = ThreadStream

    def _prepare(
        self,
        call: Call,
        func: Callable[..., Any],
        kind: int,
        timeout: float | None,
        pass_state: bool | None,
    ) -> None:
        self._state_manner(pass_state)
        if checked_timeout(timeout) is not None:
            raise ValueError(
                "a ThreadPool has no timeout= for tasks, as a thread cannot be stopped:"
                " use get(timeout) or next(timeout) to wait no longer, or a Pool of processes"
            )
        call.target, call.kind = func, kind

    def _as_read(self, iterable: Iterable[Any]) -> Sequence[Any]:
        """Return the items of an input; a list as it is, as the call cuts it up when it is made."""
        return iterable if type(iterable) is list else super()._as_read(iterable)

    def _map_pace(self, chunksize: int | None, total: int) -> Pace:
        if chunksize is None:
            # Who is idle takes some of what others have, so that nobody's share is too large.
            chunksize = -(-total // self._workers)
        return self._pace(max(1, chunksize), eager=False)
