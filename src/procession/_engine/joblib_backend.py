"""The ``procession`` backend of joblib: its batches run in our executor of processes.

Workers outlive a call: an executor that is no longer in use lies on a *shelf*, where the next call
of the same kind finds it, and ends after some minutes without one.  A call has its executor
to itself, so calls from several threads, or inside of each other, do not meet.

Big arrays that several batches have in common travel once (``pool.shared_buffers``), and those
that are memory-mapped by the user are mapped by the workers, too, so that results can be written
into them: joblib's documentation shows it.

Workers come from the fork server where there is one: a copy of this process might have locks
of native threads (OpenMP) that nobody would ever release.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
import threading
import warnings
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from queue import Empty

from joblib import _memmapping_reducer, cpu_count, register_parallel_backend
from joblib.parallel import FallbackToBackend, ParallelBackendBase, SequentialBackend

from procession._engine.context import CONTEXTS
from procession._engine.pool.executor import ProcessPoolExecutor
from procession._engine.pool.shared_buffers import SharedBuffers
from procession._engine.types import NamedTuple
from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

__all__ = ["ProcessionBackend", "register"]

_SHORTEST_BATCH: Final = 0.01
"""Seconds: joblib itself takes some hundred microseconds for each batch."""

_LONGEST_BATCH: Final = 0.1
"""Seconds: the last batches of a call keep some workers waiting for the others."""

_IDLE_SECONDS: Final = 300.0

_BIG: Final = 1_000_000
"""Bytes from which joblib takes an array for big, where nothing else is said."""

_BATCHES: Final = "batches"
"""Who reads arrays here: they do not change between the batches of a call."""


class _Kind(NamedTuple):
    """What distinguishes executors: one may stand in for another of the same kind only."""

    n_jobs: int
    start_method: str
    retries: int
    environment: tuple[tuple[str, str], ...]
    threads: int | None
    names: tuple[str, ...]


class _Shelf:
    """One executor, while nobody uses it.  All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._lying: tuple[_Kind, ProcessPoolExecutor] | None = None
        self._clock: threading.Timer | None = None

    def take(self, kind: _Kind) -> ProcessPoolExecutor:
        """Return an executor of this kind, which the caller has from now on."""
        lying = self._swap(None)
        if lying is not None and lying[0] == kind:
            return lying[1]
        _end(lying)
        return _make(kind)

    def put(self, kind: _Kind, executor: ProcessPoolExecutor) -> None:
        """Keep an executor for the next call; the one that lay here ends."""
        _end(self._swap((kind, executor)))

    def clear(self) -> None:
        """End the executor that lies here."""
        _end(self._swap(None))

    def _swap(
        self, executor: tuple[_Kind, ProcessPoolExecutor] | None
    ) -> tuple[_Kind, ProcessPoolExecutor] | None:
        if self._pid != os.getpid():  # forked: what lies here is the parent's
            self.__init__()  # type: ignore[misc]  # anew, with a lock that nobody holds
        with self._lock:
            lying, self._lying = self._lying, executor
            if self._clock is not None:
                self._clock.cancel()
            self._clock = None
            if executor is not None:
                self._clock = threading.Timer(_IDLE_SECONDS, self.clear)
                self._clock.daemon = True
                self._clock.start()
        return lying


_SHELF = _Shelf()

_NAMES: set[str] = set()
"""Under which the backend is registered; in workers, too, for tasks that use it."""


def _make(kind: _Kind) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        kind.n_jobs,
        CONTEXTS[kind.start_method],
        _prepare_worker,
        (kind.environment, kind.threads, kind.names),
        retries=kind.retries,
    )


def _end(lying: tuple[_Kind, ProcessPoolExecutor] | None) -> None:
    if lying is not None:
        lying[1].shutdown(wait=False)


def _forget_prepared_batches(parallel: Any) -> None:
    """Take away what an aborted call has not sent: joblib 1.6 would send it with the next call."""
    batches = getattr(parallel, "_ready_batches", None)
    if batches is not None:
        with parallel._lock, suppress(Empty):  # noqa: SLF001  # a thread may be adding to them
            while True:
                batches.get(block=False)


def _prepare_worker(
    environment: tuple[tuple[str, str], ...], threads: int | None, names: tuple[str, ...]
) -> None:
    """In a worker: have native libraries use so many threads, those that are loaded as well."""
    for name in names:
        register(name)
    os.environ.update(environment)
    if threads is not None:
        with suppress(ImportError):
            from threadpoolctl import threadpool_limits  # noqa: PLC0415  # where it is installed

            threadpool_limits(threads)


def _reducers() -> dict[type, Callable[[Any], Any]]:
    """How arrays are pickled, once there may be some: mapped files as such, others as ever."""
    numpy: Any = sys.modules.get("numpy")
    return {} if numpy is None else {numpy.ndarray: _reduce_array, numpy.memmap: _reduce_array}


def _reduce_array(array: Any) -> Any:
    mapped = _memmapping_reducer._get_backing_memmap(array)  # noqa: SLF001  # no public one
    name = getattr(mapped, "filename", None)
    # What was written to a private mapping is in no file, and a deleted file cannot be opened.
    if name is not None and mapped.mode != "c" and Path(name).exists():
        return _memmapping_reducer._reduce_memmap_backed(array, mapped)  # noqa: SLF001
    return array.__reduce_ex__(5)


def _run(function: Callable[[], Any]) -> Any:
    """In a worker: return what a batch returns."""
    return function()


class ProcessionBackend(ParallelBackendBase):  # type: ignore[misc]  # joblib has no types
    """Runs the tasks of ``joblib.Parallel`` in worker processes of procession.

    ``start_method``: None takes ``"forkserver"``, or ``"spawn"`` where that is missing.
    ``inner_max_num_threads``: threads of native libraries in each worker; None: the CPUs, shared
    out among the workers.  ``retries``: how often a batch is run again after its worker died.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    uses_threads = False
    supports_sharedmem = False

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        *,
        start_method: str | None = None,
        retries: int = 1,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self.start_method = start_method or ("forkserver" if "forkserver" in CONTEXTS else "spawn")
        if self.start_method not in CONTEXTS:
            raise ValueError(
                f"unknown start_method {start_method!r}: those here are {', '.join(CONTEXTS)}"
            )
        self.retries = retries
        self._kind: _Kind | None = None
        self._executor: ProcessPoolExecutor | None = None
        self._least: float = _BIG
        self._shared = SharedBuffers(self._least)
        self._calls = 0
        self._batch = 1
        self._seconds: float | None = None

    # ---- how many

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many workers ``n_jobs`` means here; -1 is all CPUs.  0 is a ValueError."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None or n_jobs == 1:
            return 1
        if multiprocessing.current_process()._config.get("daemon"):  # type: ignore[attr-defined]  # noqa: SLF001
            warnings.warn(
                "a daemonic process may not start processes: n_jobs is 1 here", stacklevel=3
            )
            return 1
        return n_jobs if n_jobs > 0 else max(cpu_count() + 1 + n_jobs, 1)

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        max_nbytes: int | None = _BIG,
        **_of_other_backends: Any,
    ) -> int:
        """Get workers for a call, or for all calls of a ``with Parallel()``; return how many.

        ``max_nbytes``: the size from which an array that several batches have in common travels
        once; None: all of them travel with each batch.
        """
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._calls += 1
        self._least = math.inf if max_nbytes is None else max_nbytes
        if self._executor is None:
            MAIN.expect(self.start_method)  # batches are pickled before workers start
            self._kind = self._kind_for(n_jobs)
            self._executor = _SHELF.take(self._kind)
        return n_jobs

    def _kind_for(self, n_jobs: int) -> _Kind:
        wanted = self.inner_max_num_threads
        threads = wanted or max(cpu_count() // n_jobs, 1)
        given = os.environ if wanted is None else {}
        environment = {name: given.get(name, str(threads)) for name in self.MAX_NUM_THREADS_VARS}
        chosen = any(name in given for name in self.MAX_NUM_THREADS_VARS)
        return _Kind(
            n_jobs,
            self.start_method,
            self.retries,
            tuple(environment.items()),
            None if chosen else threads,
            tuple(sorted(_NAMES)),
        )

    def start_call(self) -> None:
        """Begin one of the calls of a ``with Parallel()``: arrays may have changed since."""
        self._shared = SharedBuffers(self._least)

    def stop_call(self) -> None:
        """End one of the calls: what its tasks shared is given back."""
        self._shared = SharedBuffers(self._least)

    def terminate(self) -> None:
        """Give the workers back after a call."""
        self._calls = max(0, self._calls - 1)
        if self._calls == 0 and self._executor is not None and self._kind is not None:
            _SHELF.put(self._kind, self._executor)
            self._executor = None
        self._batch, self._seconds = 1, None

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End what is under way, after an error; with ``ensure_ready``, go on with new workers."""
        executor, self._executor, self._calls = self._executor, None, 0
        if executor is not None:
            executor.kill_workers()
        _forget_prepared_batches(self.parallel)
        if ensure_ready:
            self.configure(self.parallel.n_jobs, self.parallel)

    # ---- tasks

    def submit(
        self, func: Callable[[], Any], callback: Callable[[Future[Any]], object] | None = None
    ) -> Future[Any]:
        """Have a worker run a batch; ``callback`` is called with the future when it has ended."""
        if self._executor is None:
            raise RuntimeError("this call of Parallel was aborted: its workers are gone")
        try:
            task = self._shared.pack(func, _BATCHES, _reducers())
        except Exception as error:  # noqa: BLE001  # of the user: this batch fails, as any other
            future: Future[Any] = Future()
            future.set_exception(error)
        else:
            future = self._executor.submit(_run, task)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    apply_async = submit
    """The name before joblib 1.5."""

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """Return what a batch returned, or raise what it raised."""
        try:
            return out.result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "the workers of this call of Parallel were ended: another call that shares its"
                " backend has failed, or a generator was dropped before its end"
            ) from error

    # ---- batches

    def compute_batch_size(self) -> int:
        """Return how many tasks the next batch has: more while batches are short."""
        if self._seconds is not None:
            if self._seconds < _SHORTEST_BATCH:
                self._batch, self._seconds = self._batch * 2, None
            elif self._seconds > _LONGEST_BATCH and self._batch > 1:
                self._batch, self._seconds = self._batch // 2, None
        return self._batch

    def batch_completed(self, batch_size: int, duration: float) -> None:
        """Learn how many seconds a batch took, from being sent to its end."""
        if batch_size == self._batch:
            known = self._seconds
            self._seconds = duration if known is None else 0.8 * known + 0.2 * duration


def register(name: str = "procession", *, make_default: bool = False) -> None:
    """Make the backend known to joblib: ``parallel_config(backend="procession")``.

    ``make_default``: take it wherever a program names no backend.
    """
    _NAMES.add(name)
    register_parallel_backend(name, ProcessionBackend, make_default=make_default)
