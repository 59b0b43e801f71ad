"""Door, passed through: the standard library's own registry of processes."""

from multiprocessing.process import (
    BaseProcess,
    active_children,
    current_process,
    parent_process,
)
from typing import TYPE_CHECKING

from procession._engine import passthrough

__all__ = [
    "BaseProcess",
    "active_children",
    "current_process",
    "parent_process",
]

if not TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.process", __name__)
