"""What stands behind ``procession.pool``: our names, and the standard library's helpers."""

from __future__ import annotations

from multiprocessing.pool import (  # type: ignore[attr-defined]  # typeshed omits some
    CLOSE,
    INIT,
    RUN,
    TERMINATE,
    ExceptionWithTraceback,
    MaybeEncodingError,
    RemoteTraceback,
    mapstar,
    starmapstar,
    worker,
)

from procession._engine.pool.pool import Pool
from procession._engine.pool.results import (
    ApplyResult,
    AsyncResult,
    IMapIterator,
    IMapUnorderedIterator,
    MapResult,
)
from procession._engine.pool.stats import PoolStats, WorkerStats
from procession._engine.pool.thread_pool import ThreadPool

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
    "WorkerStats",
    "mapstar",
    "starmapstar",
    "worker",
]
