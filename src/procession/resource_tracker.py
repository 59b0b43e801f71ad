"""Door, passed through: the very objects of `multiprocessing.resource_tracker`."""

from multiprocessing.resource_tracker import ensure_running, register, unregister

from procession._engine import passthrough

__all__ = [
    "ensure_running",
    "register",
    "unregister",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.resource_tracker", __name__)
