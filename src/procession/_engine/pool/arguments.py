"""What users pass to a pool, checked: the standard library's types of errors, with the value."""

from __future__ import annotations

import math

from procession._engine.pool import memory
from procession._engine.pool.crew import MOST_WORKERS
from procession._engine.pool.policy import usable_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "checked_callable",
    "checked_memory",
    "checked_policy",
    "checked_processes",
    "checked_retries",
    "checked_share",
    "checked_state",
    "checked_threads",
    "checked_timeout",
]


def checked_processes(processes: int | None) -> int:
    """Return the number of workers; without one, as many as CPUs may be used."""
    if processes is None:
        return min(usable_cpus(), MOST_WORKERS)
    if processes < 1:
        raise ValueError(f"Number of processes must be at least 1, or None, not {processes}")
    if processes > MOST_WORKERS:
        raise ValueError(
            f"a Pool has at most {MOST_WORKERS} workers, not {processes}: use several pools"
        )
    return processes


def checked_threads(processes: int | None) -> int:
    """Return the number of threads; without one, as many as CPUs may be used."""
    if processes is None:
        return usable_cpus()
    if processes < 1:
        raise ValueError(f"Number of processes must be at least 1, or None, not {processes}")
    return processes


def checked_callable(name: str, function: Any) -> Any:
    """Return the argument of this name.  Raises TypeError when it cannot be called."""
    if function is not None and not callable(function):
        raise TypeError(f"{name} must be a callable or None, not {function!r}")
    return function


def checked_state(worker_state: Any, worker_exit: Any) -> tuple[Any, Any]:
    """Return who makes a worker's state, and who ends it.

    Raises TypeError when one cannot be called, ValueError when there is nothing to end.
    """
    if worker_exit is not None and worker_state is None:
        raise ValueError("worker_exit gets the state of a worker: give worker_state= as well")
    make = checked_callable("worker_state", worker_state)
    return make, checked_callable("worker_exit", worker_exit)


def checked_share(maxtasksperchild: Any) -> int | None:
    """Return maxtasksperchild.  Raises ValueError when it is no positive int and not None."""
    if maxtasksperchild is None:
        return None
    if not isinstance(maxtasksperchild, int) or maxtasksperchild <= 0:
        raise ValueError(
            f"maxtasksperchild must be a positive int or None, not {maxtasksperchild!r}"
        )
    return maxtasksperchild


def checked_memory(max_memory_per_child: Any) -> int | None:
    """Return max_memory_per_child.

    Raises ValueError when it is no positive int and not None, NotImplementedError where the system
    does not tell a process' memory.
    """
    if max_memory_per_child is None:
        return None
    if not isinstance(max_memory_per_child, int) or max_memory_per_child <= 0:
        raise ValueError("max_memory_per_child must be a positive int (bytes) or None")
    if not memory.IS_KNOWN:
        raise NotImplementedError("max_memory_per_child: this system does not tell memory in use")
    return max_memory_per_child


def checked_retries(retries: Any) -> int:
    """Return the number of retries.  Raises ValueError when it is no int of at least 0."""
    if not isinstance(retries, int) or retries < 0:
        raise ValueError(f"retries must be an int of at least 0, not {retries!r}")
    return retries


def checked_timeout(timeout: Any) -> float | None:
    """Return the seconds that a task may take, None for any.  Raises ValueError or TypeError."""
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}")
    if not timeout > 0:
        raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")
    return None if math.isinf(timeout) else float(timeout)


def checked_policy(on_error: Any) -> str:
    """Return what happens with errors.  Raises ValueError when it is no such policy."""
    if on_error not in ("raise", "return"):
        raise ValueError(f"on_error must be 'raise' or 'return', not {on_error!r}")
    return str(on_error)
