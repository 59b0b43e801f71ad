"""Door, passed through: the very objects of `multiprocessing.shared_memory`."""

from multiprocessing.shared_memory import ShareableList, SharedMemory
from typing import TYPE_CHECKING

from procession._engine import passthrough

__all__ = [
    "ShareableList",
    "SharedMemory",
]

if not TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.shared_memory", __name__)
