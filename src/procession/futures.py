"""Door, ours: ``concurrent.futures`` with our executor of processes; the rest is its own."""

from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    InvalidStateError,
    ThreadPoolExecutor,
    TimeoutError,  # noqa: A004  # the name of the standard library
    as_completed,
    wait,
)

from procession._engine.context import _default_context
from procession._engine.errors import WorkerDied
from procession._engine.pool.executor import BrokenProcessPool, ProcessPoolExecutor
from procession._engine.pool.pool import Pool

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "BrokenExecutor",
    "BrokenProcessPool",
    "CancelledError",
    "Executor",
    "Future",
    "InvalidStateError",
    "ProcessPoolExecutor",
    "ThreadPoolExecutor",
    "TimeoutError",
    "WorkerDied",
    "as_completed",
    "wait",
]

# The layers below know no contexts; an executor that is given none asks for the program's.
Pool.default_context = _default_context.get_context
