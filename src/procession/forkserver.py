"""Door, passed through: the very objects of `multiprocessing.forkserver`."""

from multiprocessing.forkserver import (
    connect_to_new_process,
    ensure_running,
    get_inherited_fds,
    set_forkserver_preload,
)

from procession._engine import passthrough

__all__ = [
    "connect_to_new_process",
    "ensure_running",
    "get_inherited_fds",
    "set_forkserver_preload",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.forkserver", __name__)
