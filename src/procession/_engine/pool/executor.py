"""ProcessPoolExecutor: the interface of ``concurrent.futures`` on the pool's engine.

Futures that no worker needs yet wait in a backlog, where they can be cancelled.  Only a
*window* of tasks is with the pool: one more than there are workers, or as many as are done in
a few milliseconds.  When the pool's supervisor has a task's outcome it sends the next of
the backlog, and then settles the future, which runs the user's callbacks.

What is under way holds the executor, so one that was dropped does what it was asked to do,
and then ends its workers.
"""

from __future__ import annotations

import concurrent.futures as standard
import threading
import weakref
from collections import deque
from concurrent.futures import Future, InvalidStateError
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from itertools import islice
from multiprocessing import util

from procession._engine.pool.arguments import checked_callable, checked_retries
from procession._engine.pool.policy import usable_cpus
from procession._engine.pool.pool import Pool
from procession._engine.pool.yielding import run_chunk, yield_results
from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.context import BaseContext
    from typing import Any, Final, TypeVar

    from procession._engine.pool.engine import Engine
    from procession._engine.pool.stats import PoolStats

    T = TypeVar("T")

__all__ = ["BrokenProcessPool", "ProcessPoolExecutor"]

_WINDOW_SECONDS: Final = 0.005
"""Work for each worker in the window: while the parent settles futures, workers go on."""

_WIDEST_WINDOW: Final = 256
"""Tasks for each worker, at most: those in the window cannot be cancelled."""


class _Task(NamedTuple):
    future: Future[Any]
    function: Callable[..., Any]
    args: tuple[Any, ...]
    keywords: dict[str, Any]


class _Workers(Pool):
    """A pool that belongs to an executor."""

    _engine: Engine
    window = 0

    def begin(self, task: _Task, done: Callable[..., None], failed: Callable[..., None]) -> None:
        """Send a task; one of the functions is called with its future and outcome."""
        result = self.apply_async(
            task.function,
            task.args,
            task.keywords,
            partial(done, task.future),
            partial(failed, task.future),
        )
        per_task = result._call.pace.per_task  # noqa: SLF001  # the engine's own object
        wide = 0.0 if per_task is None else _WINDOW_SECONDS / max(per_task, 1e-9)
        self.window = max(self._processes + 1, int(min(wide, _WIDEST_WINDOW) * self._processes))

    @property
    def broken(self) -> BaseException | None:
        """Why workers do not start; None while they do."""
        return self._engine.broken

    def is_own_thread(self) -> bool:
        """Whether this is the thread that settles futures."""
        return threading.current_thread() is self._engine.supervisor

    def __del__(self, *_: Any) -> None:
        """Nothing: an executor may be dropped, and ends its pool."""


class ProcessPoolExecutor(standard.ProcessPoolExecutor):
    """Worker processes behind futures, as ``concurrent.futures.ProcessPoolExecutor``.

    ``max_workers``: how many, None: one for each CPU that this process may use.
    ``mp_context``: the start method, as a context of ours or of the standard library.
    ``initializer(*initargs)`` runs first in each worker.  ``max_tasks_per_child``: a worker is
    replaced after so many tasks, under every start method.  ``retries``: how often a task is
    run again after its worker died under it.

    A worker's death costs nothing but time; a task that takes its workers down with it makes
    its own future raise ``WorkerDied``.  ``BrokenProcessPool`` is raised only when workers
    cannot start, or were ended on purpose.  Workers start with the first task.
    """

    __module__ = "procession.futures"

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        retries: int = 1,
    ) -> None:
        # Not the base's __init__, which would make its own queues.
        self._max_workers = _checked_workers(max_workers)
        self._max_tasks_per_child = _checked_share(max_tasks_per_child)
        self._mp_context = mp_context or Pool.default_context()
        self._initializer = checked_callable("initializer", initializer)
        self._initargs = initargs
        self._retries = checked_retries(retries)
        self._workers: _Workers | None = None
        self._changed = threading.Condition()
        self._backlog: deque[_Task] = deque()
        self._in_window = 0
        self._unsettled: set[Future[Any]] = set()
        self._shut = False
        self._why_broken: BaseException | None = None
        self._last_stats: PoolStats | None = None
        # Before the pool's own end: at exit, what was submitted is done, as in the base.
        util.Finalize(self, _finish, args=(weakref.ref(self),), exitpriority=20)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have a worker run ``fn(*args, **kwargs)``; returns the future of its result.

        Raises RuntimeError after ``shutdown()``, and BrokenProcessPool when workers cannot
        start.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._why_broken is not None:
                raise _broken_pool(self._why_broken)
            if self._shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if self._workers is None:
                self._workers = self._start_workers()
            self._backlog.append(_Task(future, fn, args, kwargs))
        self._send()
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Return an iterator over ``fn(*arguments)`` for the iterables' items, in their order.

        ``timeout``: seconds from now after which asking for a result raises TimeoutError.
        ``chunksize`` items go to a worker together.  The iterables are read at once, or, with
        ``buffersize``, so many chunks ahead of the results taken.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        items = zip(*iterables)  # noqa: B905  # the shortest decides, as for the built-in map
        chunks = iter(lambda: tuple(islice(items, chunksize)), ())
        begin = partial(self.submit, run_chunk, fn)
        return yield_results(begin, chunks, timeout, buffersize)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks; workers end when those submitted have ended.

        ``wait``: return only then.  ``cancel_futures``: those that no worker has been given are
        cancelled.
        """
        with self._changed:
            self._shut = True
            cancelled = list(self._backlog) if cancel_futures else []
            if cancel_futures:
                self._backlog.clear()
            workers = self._workers
        for task in cancelled:
            task.future.cancel()
            task.future.set_running_or_notify_cancel()
        if workers is None:
            return
        if wait and not workers.is_own_thread():
            with self._changed:
                self._changed.wait_for(self._is_drained)
            workers.close()
            workers.join()
            self._let_go(workers)
        elif self._is_drained():
            workers.close()

    def stats(self) -> PoolStats | None:
        """Return what the workers have done so far, as ``Pool.stats``: tasks, deaths, times.

        None before the first task.  After ``shutdown()`` it returns the last figures.  What waits
        for room in the pool is not among the tasks in flight.
        """
        workers = self._workers
        return self._last_stats if workers is None else workers.stats()

    def terminate_workers(self) -> None:
        """End all workers by SIGTERM; futures that have not ended raise BrokenProcessPool."""
        self._end_now("terminate")

    def kill_workers(self) -> None:
        """End all workers by SIGKILL; futures that have not ended raise BrokenProcessPool."""
        self._end_now("kill")

    # ---- tasks to the pool, outcomes to the futures

    def _start_workers(self) -> _Workers:
        return _Workers(
            self._max_workers,
            self._initializer,
            self._initargs,
            self._max_tasks_per_child,
            self._mp_context,
            retries=self._retries,
        )

    def _send(self) -> None:
        """Give the pool what there is room for in the window."""
        while (task := self._next_task()) is not None:
            try:
                if self._workers is not None:
                    self._workers.begin(task, self._succeed, self._fail)
            except Exception as error:  # the pool is broken, or was ended
                self._end_future(task.future, error)

    def _next_task(self) -> _Task | None:
        with self._changed:
            workers = self._workers
            room = workers is not None and self._in_window < max(1, workers.window)
            while room and self._backlog:
                task = self._backlog.popleft()
                if task.future.set_running_or_notify_cancel():
                    self._in_window += 1
                    self._unsettled.add(task.future)
                    return task
            self._end_if_drained()
        return None

    def _succeed(self, future: Future[Any], value: Any) -> None:
        """Take in the outcome of a task; the pool calls it."""
        self._leave_window()
        self._send()
        with suppress(InvalidStateError):  # the workers were ended meanwhile
            future.set_result(value)
        self._settle(future)

    def _fail(self, future: Future[Any], error: BaseException) -> None:
        """Take in that a task ended with an exception; the pool calls it."""
        self._end_future(future, error)
        self._send()

    def _end_future(self, future: Future[Any], error: BaseException) -> None:
        workers = self._workers
        if workers is not None and workers.broken is error:
            self._why_broken = error
            error = _broken_pool(error)
        self._leave_window()
        with suppress(InvalidStateError):  # as above
            future.set_exception(error)
        self._settle(future)

    def _leave_window(self) -> None:
        with self._changed:
            self._in_window -= 1

    def _settle(self, future: Future[Any]) -> None:
        with self._changed:
            self._unsettled.discard(future)
            self._end_if_drained()

    def _is_drained(self) -> bool:
        return not self._backlog and not self._unsettled

    def _end_if_drained(self) -> None:
        """Let the workers go when there is nothing left for them.  Lock held."""
        if self._shut and self._is_drained():
            self._changed.notify_all()
            if self._workers is not None:
                self._workers.close()

    def _end_now(self, how: str) -> None:
        with self._changed:
            self._shut = True
            self._why_broken = RuntimeError(f"{how}_workers() of the executor was called")
            futures = [*self._unsettled, *(task.future for task in self._backlog)]
            self._backlog.clear()
            self._unsettled.clear()
            self._changed.notify_all()
            workers = self._workers
        if workers is not None:
            for process in (self._processes or {}).values():
                getattr(process, how)()
            workers.terminate()
            self._let_go(workers)
        for future in futures:
            with suppress(InvalidStateError):
                future.set_exception(_broken_pool(self._why_broken))

    def _let_go(self, workers: _Workers) -> None:
        """Forget workers that have ended, and with them their descriptors."""
        self._last_stats = workers.stats()
        self._workers = None

    @property
    def _processes(self) -> dict[int, Any] | None:  # type: ignore[override]  # nobody writes it
        """The workers by process id, as programs read them of the standard executor."""
        if self._shut and self._is_drained():
            return None
        workers = [] if self._workers is None else self._workers._pool  # noqa: SLF001  # ours
        return {process.pid: process for process in workers}


def _broken_pool(cause: BaseException) -> BrokenProcessPool:
    error = BrokenProcessPool(f"the executor cannot go on: {cause}")
    error.__cause__ = cause
    return error


def _finish(reference: weakref.ref[ProcessPoolExecutor]) -> None:
    executor = reference()
    if executor is not None:
        executor.shutdown()


def _checked_workers(max_workers: int | None) -> int | None:
    if max_workers is None:
        return usable_cpus()
    if max_workers <= 0:
        raise ValueError("max_workers must be greater than 0")
    return max_workers


def _checked_share(max_tasks_per_child: Any) -> int | None:
    if max_tasks_per_child is None:
        return None
    if not isinstance(max_tasks_per_child, int):
        raise TypeError("max_tasks_per_child must be an integer")
    if max_tasks_per_child <= 0:
        raise ValueError("max_tasks_per_child must be >= 1")
    return max_tasks_per_child
