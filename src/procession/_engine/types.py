"""Names for types that several layers speak of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

StartMethod = Literal["fork", "spawn", "forkserver"]
"""How a child process comes to be."""

Target = Callable[..., object]
"""What a process runs, or a pool calls first in each worker."""


class HasFileno(Protocol):
    """Something with a descriptor that can be waited for."""

    def fileno(self) -> int: ...


Waitable = int | HasFileno
"""What ``connection.wait`` takes: a connection, a queue, a socket, a sentinel."""
