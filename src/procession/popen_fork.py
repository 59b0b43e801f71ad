"""Door, passed through: the very objects of `multiprocessing.popen_fork`."""

from multiprocessing.popen_fork import Popen
from typing import TYPE_CHECKING

from procession._engine import passthrough

__all__ = [
    "Popen",
]

if not TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.popen_fork", __name__)
