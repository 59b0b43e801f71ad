"""Door, passed through: the very objects of `multiprocessing.popen_forkserver`."""

from multiprocessing.popen_forkserver import Popen
from typing import TYPE_CHECKING

from procession._engine import passthrough

__all__ = [
    "Popen",
]

if not TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.popen_forkserver", __name__)
