"""Door, passed through: the very objects of `multiprocessing.reduction`."""

from multiprocessing.reduction import (
    DupFd,
    ForkingPickler,
    dump,
    recv_handle,
    recvfds,
    register,
    send_handle,
    sendfds,
)
from typing import TYPE_CHECKING

from procession._engine import passthrough

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

if not TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.reduction", __name__)
