"""Door, passed through: the very objects of `multiprocessing.synchronize`."""

from multiprocessing.synchronize import (
    BoundedSemaphore,
    Condition,
    Event,
    Lock,
    RLock,
    Semaphore,
)
from typing import TYPE_CHECKING

from procession._engine import passthrough

__all__ = [
    "BoundedSemaphore",
    "Condition",
    "Event",
    "Lock",
    "RLock",
    "Semaphore",
]

if not TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.synchronize", __name__)
