"""What a child of a warm server takes over from its parent of that moment.

The server has what the parent had when it was started.  Environment, signal mask and umask may
have changed since; a program that sets ``os.environ[...]`` and then starts a child expects the
child to see it.  (``sys.path``, ``sys.argv``, the working directory and the rest travel in the
standard library's own preparation.)
"""

from __future__ import annotations

import contextlib
import marshal
import os
import signal
import time

from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from procession._engine.process.warm_main import Description

_LONGER_THAN_STATUS = 1 << 14


class Circumstances(NamedTuple):
    """As the parent sends them, before anything else."""

    environment: bytes
    """``os.environb``, marshalled: equal bytes need no look into them."""
    signal_mask: list[int]
    umask: int | None
    main: Description | None


def environment() -> bytes:
    """Return the environment of this process, marshalled."""
    # ``os.environb.copy()`` calls two functions of Python for each variable.
    kept = getattr(os.environb, "_data", None)
    return marshal.dumps(dict(kept) if isinstance(kept, dict) else os.environb.copy())


def take(main: Description | None, is_deaf: bool = False) -> Circumstances:
    """In the parent: what a child started now, by this thread, is to find.

    ``is_deaf``: with SIGINT blocked, whether it is so here or not.
    """
    mask = {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())}
    if is_deaf:
        mask.add(int(signal.SIGINT))
    return Circumstances(environment(), sorted(mask), _umask(), main)


def adopt(here: Circumstances, of_server: bytes) -> None:
    """In the child: have them; ``of_server`` is the environment that the server has."""
    if here.umask is not None:
        os.umask(here.umask)
    if here.environment != of_server:
        adopt_environment(here.environment)
    # Last: until now, a signal that the server must survive has waited.
    signal.pthread_sigmask(signal.SIG_SETMASK, here.signal_mask)


def adopt_environment(marshalled: bytes) -> None:
    """Make the environment of this process what another process's is."""
    wanted: dict[bytes, bytes] = marshal.loads(marshalled)  # noqa: S302  # from our parent
    mine = os.environb
    zone = mine.get(b"TZ")
    for name in mine.keys() - wanted.keys():
        del mine[name]
    for name, value in wanted.items():
        if mine.get(name) != value:
            mine[name] = value
    if zone != wanted.get(b"TZ"):
        time.tzset()


def _umask() -> int | None:
    """Return the umask without changing it, as only Linux can tell; None elsewhere."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # A file object would cost four times as much, at every start.
        status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _, _, rest = os.read(status, _LONGER_THAN_STATUS).partition(b"\nUmask:")
        finally:
            os.close(status)
        return int(rest.split(None, 1)[0], 8)
    return None
