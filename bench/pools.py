"""The contenders' pools behind one shape: the calls of the standard Pool.

Where a contender has no call of that meaning, the nearest that its documentation shows is
used: `submit` for `apply_async`, `map` (which sends everything first) for `imap`.  Every
pool has two workers, which have answered once before anything is measured.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.contenders import Contender

__all__ = ["RivalPool", "open_pool", "warm"]

ENDLESS = 1_000_000
"""The length that mpire is told of an iterator, which it asks for."""

Function = Callable[[Any], Any]


class RivalPool:
    """A pool with the standard Pool's methods; the other kinds override what differs."""

    def __init__(self, pool: Any) -> None:
        """Wrap an open pool."""
        self.pool = pool

    def map(self, function: Function, items: list[Any], chunksize: int | None = None) -> list[Any]:
        """Return all results, in order."""
        found: list[Any] = self.pool.map(function, items, chunksize)
        return found

    def imap(self, function: Function, items: Iterable[Any]) -> Iterator[Any]:
        """Return an iterator of results, in order, one task at a time."""
        found: Iterator[Any] = self.pool.imap(function, items)
        return found

    def imap_unordered(self, function: Function, items: Iterable[Any]) -> Iterator[Any]:
        """Return an iterator of results as they come, one task at a time."""
        found: Iterator[Any] = self.pool.imap_unordered(function, items)
        return found

    def apply(self, function: Function, item: Any) -> Any:
        """Run one task and return its result."""
        return self.pool.apply(function, (item,))

    def submit_all(self, function: Function, items: list[Any]) -> list[Any]:
        """Hand in each task by itself, then collect all results."""
        waiting = [self.pool.apply_async(function, (item,)) for item in items]
        return [result.get() for result in waiting]

    def close(self) -> None:
        """End the pool and its workers."""
        self.pool.close()
        self.pool.join()

    def abandon(self) -> None:
        """End the pool in the middle of its work."""
        self.pool.terminate()


class _Executor(RivalPool):
    """concurrent.futures and what has its interface."""

    def map(self, function: Function, items: list[Any], chunksize: int | None = None) -> list[Any]:
        return list(self.pool.map(function, items, chunksize=chunksize or 1))

    def imap(self, function: Function, items: Iterable[Any]) -> Iterator[Any]:
        found: Iterator[Any] = self.pool.map(function, items)
        return found

    def imap_unordered(self, function: Function, items: Iterable[Any]) -> Iterator[Any]:
        futures = [self.pool.submit(function, item) for item in items]
        return (future.result() for future in concurrent.futures.as_completed(futures))

    def apply(self, function: Function, item: Any) -> Any:
        return self.pool.submit(function, item).result()

    def submit_all(self, function: Function, items: list[Any]) -> list[Any]:
        return [future.result() for future in [self.pool.submit(function, item) for item in items]]

    def close(self) -> None:
        self.pool.shutdown(wait=True)

    def abandon(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)


class _Joblib(RivalPool):
    """joblib.Parallel, made anew for each call as its documentation does; its workers stay."""

    def __init__(self, joblib: Any) -> None:
        self.joblib = joblib

    def _run(self, function: Function, items: Iterable[Any], **options: Any) -> Any:
        delayed = self.joblib.delayed(function)
        return self.joblib.Parallel(n_jobs=2, **options)(delayed(item) for item in items)

    def map(self, function: Function, items: list[Any], chunksize: int | None = None) -> list[Any]:
        size = {"batch_size": 1} if chunksize == 1 else {}
        found: list[Any] = self._run(function, items, **size)
        return found

    def imap(self, function: Function, items: Iterable[Any]) -> Iterator[Any]:
        found: Iterator[Any] = self._run(function, items, return_as="generator")
        return found

    def imap_unordered(self, function: Function, items: Iterable[Any]) -> Iterator[Any]:
        found: Iterator[Any] = self._run(function, items, return_as="generator_unordered")
        return found

    def close(self) -> None:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)

    def abandon(self) -> None:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(kill_workers=True)


class _Mpire(RivalPool):
    """mpire.WorkerPool; its tasks in chunks of one where the standard's are.

    Items are wrapped in tuples, since it would take an array for a list of arguments.
    """

    def map(self, function: Function, items: list[Any], chunksize: int | None = None) -> list[Any]:
        found: list[Any] = self.pool.map(
            function,
            ((item,) for item in items),
            iterable_len=len(items),
            chunk_size=chunksize,
            concatenate_numpy_output=False,
        )
        return found

    def imap(self, function: Function, items: Iterable[Any]) -> Iterator[Any]:
        return self._one_by_one(self.pool.imap, function, items)

    def imap_unordered(self, function: Function, items: Iterable[Any]) -> Iterator[Any]:
        return self._one_by_one(self.pool.imap_unordered, function, items)

    def _one_by_one(self, call: Any, function: Function, items: Iterable[Any]) -> Iterator[Any]:
        length = len(items) if isinstance(items, list) else ENDLESS
        wrapped = ((item,) for item in items)
        found: Iterator[Any] = call(function, wrapped, iterable_len=length, chunk_size=1)
        return found

    def close(self) -> None:
        self.pool.stop_and_join()


class _Pebble(_Executor):
    """pebble.ProcessPool."""

    def map(self, function: Function, items: list[Any], chunksize: int | None = None) -> list[Any]:
        return list(self.pool.map(function, items, chunksize=chunksize or 1).result())

    def imap(self, function: Function, items: Iterable[Any]) -> Iterator[Any]:
        found: Iterator[Any] = self.pool.map(function, items).result()
        return found

    def imap_unordered(self, function: Function, items: Iterable[Any]) -> Iterator[Any]:
        futures = [self.pool.schedule(function, args=(item,)) for item in items]
        return (future.result() for future in concurrent.futures.as_completed(futures))

    def apply(self, function: Function, item: Any) -> Any:
        return self.pool.schedule(function, args=(item,)).result()

    def submit_all(self, function: Function, items: list[Any]) -> list[Any]:
        futures = [self.pool.schedule(function, args=(item,)) for item in items]
        return [future.result() for future in futures]

    def close(self) -> None:
        self.pool.close()
        self.pool.join()

    def abandon(self) -> None:
        self.pool.stop()


class _Dask(_Executor):
    """A Dask client with two single-threaded workers."""

    def map(self, function: Function, items: list[Any], chunksize: int | None = None) -> list[Any]:
        size = {} if chunksize is None else {"batch_size": max(chunksize, 2)}
        found: list[Any] = self.pool.gather(self.pool.map(function, items, pure=False, **size))
        return found

    def apply(self, function: Function, item: Any) -> Any:
        return self.pool.submit(function, item, pure=False).result()

    def submit_all(self, function: Function, items: list[Any]) -> list[Any]:
        found: list[Any] = self.pool.gather(
            [self.pool.submit(function, item, pure=False) for item in items]
        )
        return found

    def close(self) -> None:
        cluster = self.pool.cluster
        self.pool.close()
        cluster.close()


class _Ray(RivalPool):
    """Ray's Pool on a cluster of this machine alone, which is started and ended with it."""

    def __init__(self, ray: Any) -> None:
        ray.init(num_cpus=2, logging_level="ERROR", log_to_driver=False, include_dashboard=False)
        from ray.util.multiprocessing import Pool

        super().__init__(Pool(2))
        self.ray = ray

    def close(self) -> None:
        super().close()
        self.ray.shutdown()

    def abandon(self) -> None:
        self.ray.shutdown()


def _dask(module: Any) -> RivalPool:
    cluster = module.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    )
    return _Dask(module.Client(cluster))


def open_pool(contender: Contender, method: str = "fork", workers: int = 2) -> RivalPool:
    """Return a pool of the contender; `method` for those that leave the choice."""
    module = contender.load()
    fork = multiprocessing.get_context(method)
    makers: dict[str, Callable[[], RivalPool]] = {
        "futures": lambda: _Executor(
            concurrent.futures.ProcessPoolExecutor(workers, mp_context=fork)
        ),
        "loky": lambda: _Executor(module.ProcessPoolExecutor(workers)),
        "joblib": lambda: _Joblib(module),
        "mpire": lambda: _Mpire(module.WorkerPool(workers, start_method=method, keep_alive=True)),
        "pebble": lambda: _Pebble(module.ProcessPool(workers, context=fork)),
        "ray": lambda: _Ray(module),
        "dask": lambda: _dask(module),
    }
    if contender.name in makers:
        return makers[contender.name]()
    return RivalPool(module.get_context(method).Pool(workers))


def warm(pool: RivalPool) -> None:
    """Let the pool have answered before anything is measured."""
    pool.map(abs, list(range(64)), 1)
