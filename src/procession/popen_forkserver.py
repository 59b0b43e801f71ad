"""Door, passed through: the very objects of `multiprocessing.popen_forkserver`."""

from multiprocessing.popen_forkserver import Popen

from procession._engine import passthrough

__all__ = [
    "Popen",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.popen_forkserver", __name__)
