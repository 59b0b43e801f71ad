"""Door, adapted: blocks have their memory when they are made; the rest is passed on."""

from procession._engine import passthrough
from procession._engine.ipc.named_memory import ShareableList, SharedMemory

__all__ = [
    "ShareableList",
    "SharedMemory",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.shared_memory", __name__)
