"""What workers are asked to do, and children to run first: importable from every process.

Nothing but the clock is imported, since each child that is spawned imports this module.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def double(number: int) -> int:
    """Do next to nothing."""
    return number * 2


def spin(seconds: float) -> float:
    """Keep a core busy for so many seconds by the clock."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    return seconds


def add_one(array: Any) -> Any:
    """Return a new array of the same size."""
    return array + 1.0


def element(array: Any, index: int) -> float:
    """Read one number of an array that travels with the function."""
    return float(array[index])


def first_line(path: str) -> None:
    """Write down the time at which a child's first line ran."""
    now = time.monotonic_ns()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, str(now).encode())
    os.close(descriptor)


def spin_for_ever() -> None:
    """Compete for a core until killed."""
    while True:
        pass
