"""Door, passed through: the very objects of `multiprocessing.forkserver`."""

from multiprocessing.forkserver import (
    connect_to_new_process,
    ensure_running,
    get_inherited_fds,
    set_forkserver_preload,
)
from typing import TYPE_CHECKING

from procession._engine import passthrough

__all__ = [
    "connect_to_new_process",
    "ensure_running",
    "get_inherited_fds",
    "set_forkserver_preload",
]

if not TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.forkserver", __name__)
