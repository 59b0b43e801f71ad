"""Names for types that several layers speak of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

StartMethod = Literal["fork", "spawn", "forkserver"]
"""How a child process comes to be."""

Target = Callable[..., object]
"""What a process runs, or a pool calls first in each worker."""


class HasFileno(Protocol):
    """Something with a descriptor that can be waited for."""

    def fileno(self) -> int: ...


Waitable = int | HasFileno
"""What ``connection.wait`` takes: a connection, a queue, a socket, a sentinel."""


class ContextLike(Protocol):
    """What the layers below the contexts may ask of a context that they are handed."""

    Process: Callable[..., Any]

    def get_start_method(self, allow_none: bool = False) -> str | None: ...
    def Lock(self) -> Any: ...
    def Semaphore(self, value: int = 1) -> Any: ...
    def BoundedSemaphore(self, value: int = 1) -> Any: ...
    def Condition(self, lock: Any = None) -> Any: ...
    def SimpleQueue(self) -> Any: ...
