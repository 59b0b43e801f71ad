"""``wait`` over the native core: one look at all queues and connections, one call of the system.

What the core does and why stands in ``core/src/waitset.c``.  Differs from ``waiting``, which works
for every transport, in nothing but its speed.
"""

from __future__ import annotations

from procession._engine import native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["wait"]


def wait(object_list: Iterable[Any], timeout: float | None = None) -> list[Any]:
    """Wait until one of the objects is ready, at most ``timeout`` seconds (None: for ever).

    Returns those that are, in their order: queues with a message, connections with a message or
    at their end, readable sockets and descriptors, sentinels of ended processes.  A negative
    ``timeout`` counts as 0.
    """
    return native.wait(object_list, timeout)
