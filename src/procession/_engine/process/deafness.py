"""SIGINT kept from a child while it starts.

Ctrl-C reaches all processes of a terminal, also one that has just begun: an interpreter that
starts dies of it, or prints where it was.  A worker of a pool is therefore started with SIGINT
blocked, and unblocks it when it has a handler of its own.  The mask goes through fork and exec,
so there is no moment in between; and what came meanwhile waits, as a mask loses nothing.
"""

from __future__ import annotations

import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HAS_MASKS", "hear", "hears", "run_deaf"]

HAS_MASKS = hasattr(signal, "pthread_sigmask")
"""Whether threads can block signals; Windows has no such thing."""


def hears() -> bool:
    """Whether SIGINT may reach the calling thread."""
    return HAS_MASKS and signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def hear() -> None:
    """Let SIGINT reach the calling thread from now on."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def run_deaf(start: Callable[[], object]) -> None:
    """Call ``start``, with SIGINT blocked in this thread; what came meanwhile strikes at the end.

    So ``start`` has to keep what it makes: there may be an exception instead of a result.
    """
    if not HAS_MASKS:
        start()
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    # What is pending strikes in the first call, and even so the mask is changed by then.
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
