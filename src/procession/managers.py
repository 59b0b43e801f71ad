"""Door, passed through: the very objects of `multiprocessing.managers`."""

from multiprocessing.managers import (
    BaseManager,
    BaseProxy,
    SharedMemoryManager,
    SyncManager,
    Token,
)
from typing import TYPE_CHECKING

from procession._engine import passthrough

__all__ = [
    "BaseManager",
    "BaseProxy",
    "SharedMemoryManager",
    "SyncManager",
    "Token",
]

if not TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.managers", __name__)
