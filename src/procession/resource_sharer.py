"""Door, passed through: the very objects of `multiprocessing.resource_sharer`."""

from multiprocessing.resource_sharer import DupFd, stop
from typing import TYPE_CHECKING

from procession._engine import passthrough

__all__ = [
    "DupFd",
    "stop",
]

if not TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.resource_sharer", __name__)
