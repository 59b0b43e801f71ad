"""Door, passed through: the very objects of `multiprocessing.dummy.connection`."""

from multiprocessing.dummy.connection import Client, Listener, Pipe

from procession._engine import passthrough

__all__ = [
    "Client",
    "Listener",
    "Pipe",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.dummy.connection", __name__)
