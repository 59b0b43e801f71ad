"""The only importer of the extension ``procession._native``.

Importing this module raises ImportError, saying what to do, where the extension was not
built or the running kernel lacks what it stands on (memfd, pidfd); everything above asks
``ipc.transport``, which then takes the portable transport instead.

An extension that is there for this interpreter and is of no use, since it was built from other
sources or does not load, is a mistake rather than a choice: the error has its ``path`` then.
"""

from __future__ import annotations

import os
import sys

__all__ = [
    "KILL_POINTS",
    "Buffer",
    "Cells",
    "Channel",
    "Chunk",
    "Flag",
    "InputIterator",
    "ParkingLot",
    "PendingResult",
    "Queue",
    "ResultIterator",
    "ResultLine",
    "Semaphore",
    "SingleCall",
    "TicketBook",
    "WorkLoop",
    "arm_kill_point",
    "disarm_kill_points",
    "file_holds",
    "is_plain",
    "run_tasks",
    "set_fallback",
    "set_main_by_value",
    "take_results",
    "wait",
]

_INTERFACE = "9126e6718d32"
"""The digest of ``_native.pyi``, which an extension of these sources has as well."""


def _in_words(error: ImportError) -> ImportError:
    """What to say of an extension that is not there, or (then with its path) of no use."""
    if error.path is None:
        text = (
            f"procession's native transport cannot be loaded ({error}). It needs Linux and is built"
            " with the package: install procession with a C compiler at hand (pip install ."
            " in its source tree, or make develop), or let PROCESSION_TRANSPORT=portable"
            " choose the transport that needs no compiler"
        )
    else:
        text = (
            f"procession's native transport is there but cannot be used ({error}): its extension"
            f" {error.path} is damaged, or was built from other sources than the Python files"
            " beside it. Build it anew (make develop in a source tree, else install procession"
            " again), or let PROCESSION_TRANSPORT=portable choose the transport that needs none"
        )
    return ImportError(text, name="procession._native", path=error.path)


try:
    from procession._native import INTERFACE

    if INTERFACE != _INTERFACE:
        raise ImportError(
            f"it has interface {INTERFACE}, and {_INTERFACE} is needed",
            path=sys.modules["procession._native"].__file__,
        )
    from procession._native import (
        KILL_POINTS,
        Buffer,
        Cells,
        Channel,
        Chunk,
        Flag,
        InputIterator,
        ParkingLot,
        PendingResult,
        Queue,
        ResultIterator,
        ResultLine,
        Semaphore,
        SingleCall,
        TicketBook,
        WorkLoop,
        arm_kill_point,
        disarm_kill_points,
        file_holds,
        is_plain,
        run_tasks,
        take_results,
        wait,
    )
    from procession._native import _set_fallback as set_fallback
    from procession._native import _set_main_by_value as set_main_by_value
except ImportError as error:
    raise _in_words(error) from error


def _missing_feature() -> str | None:
    """The first thing that the native transport needs and this system refuses, or None."""
    try:
        os.close(os.memfd_create("procession-probe"))
    except (AttributeError, OSError) as error:
        return f"anonymous memory files (memfd_create: {error})"
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError) as error:
        return f"process descriptors (pidfd_open: {error})"
    return None


_missing = _missing_feature()
if _missing is not None:
    raise ImportError(
        f"procession's native transport is built, but this system lacks {_missing}."
        " Let PROCESSION_TRANSPORT=portable choose the transport that works everywhere",
        name="procession._native",
    )
