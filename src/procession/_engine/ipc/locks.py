"""Lock, RLock, Semaphore, BoundedSemaphore, Condition, Event, Barrier of the transport in use."""

from __future__ import annotations

from procession._engine.ipc import transport

__all__ = ["Barrier", "BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore"]

TYPE_CHECKING = False
if TYPE_CHECKING or transport.NAME == "native":
    from procession._engine.ipc.native_locks import (
        Barrier,
        BoundedSemaphore,
        Condition,
        Event,
        Lock,
        RLock,
        Semaphore,
    )
else:
    from procession._engine.ipc.portable_locks import (
        Barrier,
        BoundedSemaphore,
        Condition,
        Event,
        Lock,
        RLock,
        Semaphore,
    )
