"""Door, passed through: the very objects of `multiprocessing.popen_fork`."""

from multiprocessing.popen_fork import Popen

from procession._engine import passthrough

__all__ = [
    "Popen",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.popen_fork", __name__)
