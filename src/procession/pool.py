"""Door, ours: the pool of processes and the pool of threads."""

from multiprocessing import TimeoutError  # noqa: A004  # the name of the standard library

from procession._engine.context import _default_context
from procession._engine.pool.names import (
    CLOSE,
    INIT,
    RUN,
    TERMINATE,
    ApplyResult,
    AsyncResult,
    ExceptionWithTraceback,
    IMapIterator,
    IMapUnorderedIterator,
    MapResult,
    MaybeEncodingError,
    Pool,
    PoolStats,
    RemoteTraceback,
    ThreadPool,
    WorkerStats,
    mapstar,
    starmapstar,
    worker,
)

__all__ = [
    "CLOSE",
    "INIT",
    "RUN",
    "TERMINATE",
    "ApplyResult",
    "AsyncResult",
    "ExceptionWithTraceback",
    "IMapIterator",
    "IMapUnorderedIterator",
    "MapResult",
    "MaybeEncodingError",
    "Pool",
    "PoolStats",
    "RemoteTraceback",
    "ThreadPool",
    "TimeoutError",
    "WorkerStats",
    "mapstar",
    "starmapstar",
    "worker",
]

# The layers below know no contexts; a pool that is given none asks for the program's.
Pool.default_context = _default_context.get_context
