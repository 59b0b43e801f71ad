"""How much memory this process has for itself.

On Linux what is resident, without files and shared memory: those are not freed by the end of a
process, and arrays in messages lie there.  A forked process counts what it shares with its parent
there, too; to leave that out takes a look at every page, so it is done only where it matters.
Elsewhere the system tells only the most that was ever resident, which for a process that is to end
above a limit comes to the same.
"""

from __future__ import annotations

import math
import os
import sys
import time

try:
    from resource import RUSAGE_SELF, getrusage
except ImportError:  # Windows
    IS_KNOWN = False
else:
    IS_KNOWN = True

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["IS_KNOWN", "Gauge", "own_bytes"]

_STATM: Final = "/proc/self/statm"
_ROLLUP: Final = "/proc/self/smaps_rollup"
_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
_UNIT: Final = 1 if sys.platform == "darwin" else 1024


def own_bytes() -> int:
    """Return the number of bytes, with what is shared with a parent; where ``IS_KNOWN``."""
    try:
        # Opened each time: a task may close descriptors, or open others of the same number.
        fd = os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return getrusage(RUSAGE_SELF).ru_maxrss * _UNIT
    try:
        _, resident, shared, *_ = os.read(fd, 256).split()
    finally:
        os.close(fd)
    return (int(resident) - int(shared)) * _PAGE


def _private_bytes() -> float:
    """Return how much of it no other process has; infinity where the system does not tell."""
    try:
        with open(_ROLLUP, "rb", buffering=0) as file:  # noqa: PTH123  # pathlib is not loaded yet
            lines = file.read().splitlines()
    except OSError:
        return math.inf
    return sum(int(line.split()[1]) for line in lines if line.startswith(b"Private_")) * 1024


class Gauge:
    """Tells whether this process has more than ``most`` bytes for itself.

    What it shares with its parent is looked for when the quick figure is too high, and then again
    after a while: shared pages become its own when it, or its parent, writes to them.
    """

    LOOK_AGAIN_SECONDS: Final = 1.0

    def __init__(self, most: int) -> None:
        self._most = most
        self._shared = 0.0
        self._looked = -math.inf

    def is_exceeded(self) -> bool:
        """Return whether it has; costs a few microseconds, milliseconds now and then."""
        resident = own_bytes()
        if resident <= self._most:
            return False
        now = time.monotonic()
        is_due = now - self._looked > self.LOOK_AGAIN_SECONDS
        if is_due or resident - self._shared > self._most:
            self._looked = now
            self._shared = max(0.0, resident - _private_bytes())
        return resident - self._shared > self._most
