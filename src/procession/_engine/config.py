"""Every environment variable that procession reads, in one table.

Nothing else of the package looks at ``os.environ`` for settings.  A variable is read when
its function is called; a value that means nothing raises ValueError with the values that do.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Literal, TypeAlias

    TransportName: TypeAlias = Literal["native", "portable"]

__all__ = ["DEBUG", "TRANSPORT", "debug", "explain", "forced_transport"]

TRANSPORT: Final = "PROCESSION_TRANSPORT"
"""Which transport to use: ``native``, ``portable``; empty or unset: native where it works."""

DEBUG: Final = "PROCESSION_DEBUG"
"""``1``: say on stderr what is done."""


def forced_transport() -> TransportName | None:
    """The transport that PROCESSION_TRANSPORT asks for, or None where the choice is free.

    Raises ValueError for a name that is no transport.
    """
    name = os.environ.get(TRANSPORT, "").strip().lower()
    if name in ("", "auto"):
        return None
    if name not in ("native", "portable"):
        raise ValueError(
            f"{TRANSPORT}={name!r} names no transport: set it to 'native' or 'portable',"
            " or unset it for the best that works here"
        )
    return "native" if name == "native" else "portable"


_DEBUG_AS_KEPT: Final[bytes | str] = DEBUG if os.name == "nt" else os.fsencode(DEBUG)


def debug() -> bool:
    """Whether PROCESSION_DEBUG asks for a commentary on stderr."""
    # Asked at each start, where every function that runs is a page to be copied by a fork: look
    # into the dict that ``os.environ`` wraps in five of them.
    if _DEBUG_AS_KEPT not in getattr(os.environ, "_data", (_DEBUG_AS_KEPT,)):
        return False
    return os.environ.get(DEBUG, "").strip().lower() not in ("", "0", "no", "off", "false")


def explain(text: str, *values: object) -> None:
    """With PROCESSION_DEBUG, say on stderr in one line what is done here; ``text % values``.

    Never raises: a commentary must not end a program.
    """
    if not debug():
        return
    try:
        sys.stderr.write(f"procession[{os.getpid()}]: {text % values}\n")
        sys.stderr.flush()
    except Exception:  # noqa: BLE001, S110  # contextlib would be one import more for each child
        pass
