"""How much memory this process has for itself.

On Linux what is resident, without files and shared memory: those are not freed by the end of a
process, and arrays in messages lie there.  Elsewhere the system tells only the most that was ever
resident, which for a process that is to end above a limit comes to the same.
"""

from __future__ import annotations

import os
import sys

try:
    from resource import RUSAGE_SELF, getrusage
except ImportError:  # Windows
    IS_KNOWN = False
else:
    IS_KNOWN = True

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["IS_KNOWN", "own_bytes"]

_STATM: Final = "/proc/self/statm"
_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
_UNIT: Final = 1 if sys.platform == "darwin" else 1024


def own_bytes() -> int:
    """Return the number of bytes; where ``IS_KNOWN``."""
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
