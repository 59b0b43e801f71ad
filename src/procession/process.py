"""Door, passed through: the standard library's own registry of processes."""

from multiprocessing.process import (
    BaseProcess,
    active_children,
    current_process,
    parent_process,
)

from procession._engine import passthrough

__all__ = [
    "BaseProcess",
    "active_children",
    "current_process",
    "parent_process",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.process", __name__)
