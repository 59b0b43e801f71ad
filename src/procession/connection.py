"""Door, adapted: pipes and `wait` are ours; listeners and clients the standard library's."""

from multiprocessing.connection import Client, Listener

from procession._engine import passthrough
from procession._engine.ipc.transport import Connection, Pipe, wait

__all__ = ["Client", "Connection", "Listener", "Pipe", "wait"]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.connection", __name__)
