"""Door, passed through: the very objects of `multiprocessing.heap`."""

from multiprocessing.heap import BufferWrapper

from procession._engine import passthrough

__all__ = [
    "BufferWrapper",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.heap", __name__)
