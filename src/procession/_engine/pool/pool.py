"""Pool, as users hold it: the standard library's methods that make calls, arguments checked.

What else a pool is, and how it begins and ends, is in life.py.  All work is in the engine.
"""

from __future__ import annotations

import multiprocessing.pool as standard

from procession._engine.pool import generation
from procession._engine.pool.arguments import (
    checked_callable,
    checked_memory,
    checked_processes,
    checked_retries,
    checked_share,
    checked_state,
    checked_timeout,
)
from procession._engine.pool.crew import Plan
from procession._engine.pool.engine import Engine
from procession._engine.pool.life import PoolLife
from procession._engine.pool.making import Maker
from procession._engine.pool.recipe import MAP, STARMAP
from procession._engine.pool.results import (
    ApplyResult,
    IMapIterator,
    IMapUnorderedIterator,
    MapResult,
)
from procession._engine.pool.states import INIT, RUN
from procession._engine.pool.worker import Terms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from multiprocessing.context import BaseContext
    from typing import Any, Literal, TypeVar

    from procession._engine.pool.calls import Call, MapCall
    from procession._engine.pool.stream_call import StreamCall

    OnError = Literal["raise", "return"]
    _Iterator = TypeVar("_Iterator", bound=IMapIterator)

__all__ = ["Pool"]


class Pool(PoolLife):
    """A fixed number of worker processes that run tasks.

    ``processes``: how many; None: one for each CPU that this process may use.
    ``initializer(*initargs)`` runs first in each worker.  ``maxtasksperchild``: a worker is
    replaced after so many tasks (chunks, where a method takes chunks), ``max_memory_per_child``:
    when it has more bytes of memory for itself after a message of tasks (a chunk, or 2 to 8 ms
    of work).  ``context``: the start method.  ``retries``: how often a task is run again after
    its worker died under it; ``timeout``: seconds that each task may run, None for any; a call
    may say otherwise.

    ``worker_state()`` makes a state, once in each worker, after the initializer; every function
    then gets it before its other arguments: ``pool.map(f, xs)`` calls ``f(state, x)``, but for
    calls with ``pass_state=False``.  ``worker_exit(state)`` runs when a worker ends in good order
    (``close()``, ``maxtasksperchild``, ``max_memory_per_child``), not when it is killed.

    A worker that dies is replaced and its tasks are run by others; a task that takes its workers
    down with it raises ``WorkerDied``.  The worker of a task that runs for longer than its
    ``timeout`` is killed and replaced; that task alone raises ``TaskTimeoutError``, a
    ``multiprocessing.TimeoutError``, and is not run again.  ``on_error="return"`` of a call
    gives exceptions in place of results, instead of raising the first.
    """

    __module__ = "procession.pool"

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: BaseContext | None = None,
        *,
        retries: int = 1,
        timeout: float | None = None,
        max_memory_per_child: int | None = None,
        worker_state: Callable[[], Any] | None = None,
        worker_exit: Callable[[Any], object] | None = None,
    ) -> None:
        # Not the base's __init__, which would start its threads.
        self._pool: list[Any] = []
        self._state = INIT
        self._ctx = context or type(self).default_context()
        self._processes = checked_processes(processes)
        self._initializer = checked_callable("initializer", initializer)
        self._initargs = initargs
        self._maxtasksperchild = checked_share(maxtasksperchild)
        self._retries = checked_retries(retries)
        limit = checked_timeout(timeout)
        terms = Terms(
            initializer,
            tuple(initargs),
            maxtasksperchild,
            checked_memory(max_memory_per_child),
            *checked_state(worker_state, worker_exit),
        )
        self._engine = Engine(Plan(self.Process, self._ctx, terms), self._processes)
        self._calls = Maker(
            self._engine,
            self._processes,
            self._retries,
            limit,
            fixed=maxtasksperchild is not None,
            stateful=worker_state is not None,
        )
        self._start()

    # ---- calls

    def apply(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},  # the standard library's signature; never changed
        *,
        retries: int | None = None,
        timeout: float | None = None,
        pass_state: bool | None = None,
    ) -> Any:
        """Return ``func(*args, **kwds)``, run by a worker."""
        call = self._maker().apply(func, args, kwds, retries, timeout, pass_state)
        return self._run(call)

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] = {},  # as above
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        retries: int | None = None,
        timeout: float | None = None,
        pass_state: bool | None = None,
    ) -> ApplyResult:
        """As ``apply``, but returns at once: the result can be asked for later.

        ``callback(value)`` or ``error_callback(exception)`` runs in a thread of the pool.
        """
        is_usual = retries is None and timeout is None and pass_state is None and not kwds
        if is_usual and callback is None and error_callback is None:
            engine = self._engine
            result: ApplyResult | None = engine.apply_async(self, engine, func, args)
            if result is not None:
                return result
        call = self._maker().apply(func, args, kwds, retries, timeout, pass_state)
        self._begin(call, callback, error_callback)
        return ApplyResult(self, self._engine, call)

    def map(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        *,
        retries: int | None = None,
        timeout: float | None = None,
        on_error: OnError = "raise",
        pass_state: bool | None = None,
    ) -> list[Any]:
        """Return ``[func(item) for item in iterable]``, run by the workers.

        ``chunksize`` items go to a worker together; None: as many as take 2 to 8 ms.
        """
        call = self._maker().map(
            MAP, func, iterable, chunksize, retries, timeout, on_error, pass_state
        )
        return self._run_list(call)

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        retries: int | None = None,
        timeout: float | None = None,
        on_error: OnError = "raise",
        pass_state: bool | None = None,
    ) -> MapResult:
        """As ``map``, but returns at once: the result can be asked for later."""
        call = self._maker().map(
            MAP, func, iterable, chunksize, retries, timeout, on_error, pass_state
        )
        self._begin(call, callback, error_callback)
        return MapResult(self, self._engine, call)

    def starmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        retries: int | None = None,
        timeout: float | None = None,
        on_error: OnError = "raise",
        pass_state: bool | None = None,
    ) -> list[Any]:
        """Return ``[func(*arguments) for arguments in iterable]``, run by the workers."""
        call = self._maker().map(
            STARMAP, func, iterable, chunksize, retries, timeout, on_error, pass_state
        )
        return self._run_list(call)

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
        *,
        retries: int | None = None,
        timeout: float | None = None,
        on_error: OnError = "raise",
        pass_state: bool | None = None,
    ) -> MapResult:
        """As ``starmap``, but returns at once: the result can be asked for later."""
        call = self._maker().map(
            STARMAP, func, iterable, chunksize, retries, timeout, on_error, pass_state
        )
        self._begin(call, callback, error_callback)
        return MapResult(self, self._engine, call)

    def imap(  # type: ignore[override]  # as above; chunksize=None never worked
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        *,
        buffersize: int | None = None,
        retries: int | None = None,
        timeout: float | None = None,
        on_error: OnError = "raise",
        pass_state: bool | None = None,
    ) -> IMapIterator:
        """Return an iterator over ``func(item)`` in the order of the input.

        The input is read at most ``buffersize`` items ahead of the results taken (None: about
        as many as the workers do in a few hundredths of a second).
        """
        call = self._maker().stream(
            func, iterable, chunksize, True, buffersize, retries, timeout, on_error, pass_state
        )
        return self._begin_stream(call, IMapIterator)

    def imap_unordered(  # type: ignore[override]  # as above
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        *,
        buffersize: int | None = None,
        retries: int | None = None,
        timeout: float | None = None,
        on_error: OnError = "raise",
        pass_state: bool | None = None,
    ) -> IMapUnorderedIterator:
        """As ``imap``, results in the order in which they come."""
        call = self._maker().stream(
            func, iterable, chunksize, False, buffersize, retries, timeout, on_error, pass_state
        )
        return self._begin_stream(call, IMapUnorderedIterator)

    def _map_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        mapper: Callable[..., Any],
        chunksize: int | None = None,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> MapResult:
        kind = STARMAP if mapper is standard.starmapstar else MAP  # type: ignore[attr-defined]
        call = self._maker().map(kind, func, iterable, chunksize, None, None, "raise", None)
        self._begin(call, callback, error_callback)
        return MapResult(self, self._engine, call)

    # ---- running calls

    def _maker(self) -> Maker:
        """What makes calls.  Raises ValueError when the pool is not running."""
        engine = self._engine
        if self._state is not RUN or engine.generation is not generation.current:
            self._check_running()
        return self._calls

    def _begin(self, call: Call, callback: Any, error_callback: Any) -> None:
        engine = self._engine
        if callback is not None or error_callback is not None:
            call.call_back(callback, error_callback)
        try:
            engine.submit(call)
        except BaseException:
            engine.abandon(call)
            raise
        engine.look_after(call)

    def _begin_stream(self, call: StreamCall, kind: type[_Iterator]) -> _Iterator:
        engine = self._engine
        try:
            engine.submit(call)
            return kind(self, engine, call)
        except BaseException:
            engine.abandon(call)
            raise

    def _run(self, call: Any) -> Any:
        """Run a call to its end in this thread."""
        engine = self._engine
        try:
            engine.submit(call)
            engine.wait(call)
        except BaseException:
            engine.abandon(call)
            raise
        if call.error is not None:
            raise call.error
        return call.value

    def _run_list(self, call: MapCall) -> list[Any]:
        values: list[Any] = self._run(call)
        return values
