"""Door, passed through: the very objects of `multiprocessing.popen_spawn_win32`."""

from multiprocessing.popen_spawn_win32 import Popen  # type: ignore[attr-defined]

from procession._engine import passthrough

__all__ = [
    "Popen",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.popen_spawn_win32", __name__)
