"""Door, passed through: the very objects of `multiprocessing.spawn`."""

from multiprocessing.spawn import (
    _main,
    freeze_support,
    get_command_line,
    get_executable,
    get_preparation_data,
    import_main_path,
    set_executable,
)

from procession._engine import passthrough

__all__ = [
    "_main",
    "freeze_support",
    "get_command_line",
    "get_executable",
    "get_preparation_data",
    "import_main_path",
    "set_executable",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.spawn", __name__)
