"""Door, adapted: handing over descriptors knows our connections; the rest is passed through."""

from multiprocessing.reduction import (
    DupFd,
    ForkingPickler,
    dump,
    recvfds,
    register,
    sendfds,
)

from procession._engine import passthrough
from procession._engine.ipc.transport import recv_handle, send_handle

__all__ = [
    "DupFd",
    "ForkingPickler",
    "dump",
    "recv_handle",
    "recvfds",
    "register",
    "send_handle",
    "sendfds",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.reduction", __name__)
