"""The entry of a child in a new interpreter: from the first line to the process's own.

It does what ``multiprocessing.spawn.spawn_main`` does with the same data, and imports less
(``late_modules.py``).  Where something is unusual (a log level, a main module that is no plain
source file, data of a Python that is newer than this), the standard library's own functions do it.
"""

from __future__ import annotations

import sys
from types import ModuleType

from procession._engine.process import late_modules

try:
    from _pickle import load
except ImportError:
    from pickle import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, BinaryIO, NoReturn

__all__ = ["command", "main"]

_COMMAND = (
    "import marshal,sys;"
    "file=open({data},'rb');"
    "sys.path[:]=marshal.load(file);"
    "from procession._engine.process.arrival import main;"
    "main(file,{tracker})"
)

_PLAIN = frozenset(
    {"authkey", "dir", "log_to_stderr", "name", "orig_dir", "start_method", "sys_argv", "sys_path"}
)
"""What is prepared here, besides the main module."""

_NAME, _PATH = "init_main_from_name", "init_main_from_path"
_RUN_NAME = "__mp_main__"

_REPLACED: list[ModuleType] = []
"""What was ``__main__`` before; its functions may be in use."""


def command(data: int, tracker: int) -> str:
    """Return what the interpreter of a child runs, given these descriptors."""
    return _COMMAND.format(data=data, tracker=tracker)


def main(file: BinaryIO, tracker_fd: int) -> NoReturn:
    """Become the process that the parent has written into ``file``, and end as it ends."""
    late_modules.install(tracker_fd)
    import os  # noqa: PLC0415  # is there since the start of the interpreter
    from multiprocessing import process  # noqa: PLC0415  # finds the late modules

    _clear_main()
    me: Any = process.current_process()
    with file:
        me._inheriting = True  # noqa: SLF001  # nothing that is imported now may start processes
        # Main modules ask whether there is a parent; the process learns more of it as it begins.
        registry: Any = process
        registry._parent_process = registry._ParentProcess("", os.getppid(), file.fileno())  # noqa: SLF001
        try:
            prepare(load(file))
            departure = load(file)
        finally:
            del me._inheriting  # noqa: SLF001
    sys.exit(departure._bootstrap(None))  # noqa: SLF001


def _clear_main() -> None:
    """Take away what our start left in ``__main__``: names of the program's may come there."""
    namespace = vars(sys.modules["__main__"])
    for name in ("marshal", "sys", "file", "main"):
        del namespace[name]


def prepare(data: dict[str, Any]) -> None:
    """Do what ``multiprocessing.spawn.prepare`` does."""
    main_module = data.keys() & {_NAME, _PATH}
    if data.keys() - main_module != _PLAIN or data["log_to_stderr"]:
        _standard().prepare(data)
        return
    import os  # noqa: PLC0415  # is there since the start of the interpreter
    from multiprocessing import context, process  # noqa: PLC0415  # see main()

    registry: Any = process
    registry.current_process().name = data["name"]
    registry.current_process().authkey = data["authkey"]
    sys.path = data["sys_path"]
    sys.argv = data["sys_argv"]
    os.chdir(data["dir"])
    registry.ORIGINAL_DIR = data["orig_dir"]
    context._default_context.set_start_method(data["start_method"], force=True)  # noqa: SLF001
    if main_module:
        import_main(data)


def _standard() -> Any:
    from multiprocessing import spawn  # noqa: PLC0415  # late

    return spawn


def import_main(data: Mapping[str, Any]) -> None:
    """Import the parent's main module, under the name ``__mp_main__``, as ``__main__`` too."""
    try:
        found = _source_by_name(data[_NAME]) if _NAME in data else _source_by_path(data[_PATH])
    except ImportError:
        found = None
    if found is None:
        spawn = _standard()
        if _NAME in data:
            spawn._fixup_main_from_name(data[_NAME])  # noqa: SLF001
        else:
            spawn._fixup_main_from_path(data[_PATH])  # noqa: SLF001
        return
    code, file, names = found
    old = sys.modules["__main__"]
    _REPLACED.append(old)
    module = ModuleType(_RUN_NAME)
    module.__dict__.update(_run(code, file, names))
    sys.modules["__main__"] = sys.modules[_RUN_NAME] = module


def _run(code: Any, file: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a main module as ``runpy`` does; return a copy of its globals."""
    temporary = ModuleType(_RUN_NAME)
    temporary.__dict__.update(__file__=file, __doc__=None, **names)
    before = sys.modules.get(_RUN_NAME)
    argument = sys.argv[0] if sys.argv else None
    sys.modules[_RUN_NAME] = temporary
    if argument is not None:
        sys.argv[0] = file
    try:
        exec(code, temporary.__dict__)  # noqa: S102  # the parent's main module
    finally:
        if argument is not None:
            sys.argv[0] = argument
        if before is None:
            del sys.modules[_RUN_NAME]
        else:
            sys.modules[_RUN_NAME] = before
    return temporary.__dict__.copy()


def _source_by_path(path: str) -> tuple[Any, str, dict[str, Any]] | None:
    """The code of a plain source file; None for all else, and for what is not to be imported."""
    name = path.replace("\\", "/").rpartition("/")[2]
    if not name.endswith(".py") or name == "ipython.py":
        return None
    if getattr(sys.modules["__main__"], "__file__", None) == path:
        return None
    if any(_accepts(hook, path) for hook in sys.path_hooks):
        return None  # an archive, or a folder
    from io import open_code  # noqa: PLC0415  # is there since the start of the interpreter

    with open_code(path) as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    names = {"__cached__": None, "__loader__": None, "__package__": "", "__spec__": None}
    return code, path, names


def _accepts(hook: Callable[[str], object], path: str) -> bool:
    try:
        hook(path)
    except ImportError:
        return False
    return True


def _source_by_name(name: str) -> tuple[Any, str, dict[str, Any]] | None:
    """The code of a module with a file; None for all else, and for what is not to be imported."""
    if name.rpartition(".")[2] == "__main__":
        return None
    if getattr(sys.modules["__main__"].__spec__, "name", None) == name:
        return None
    parent, _, _ = name.rpartition(".")
    path = None
    if parent:
        __import__(parent)
        path = sys.modules[parent].__path__
    spec: Any = None if name in sys.modules else late_modules.spec_of(name, path)
    if spec is None or spec.submodule_search_locations is not None or spec.origin is None:
        return None
    code = spec.loader.get_code(name) if hasattr(spec.loader, "get_code") else None
    if code is None:
        return None
    names = {
        "__cached__": spec.cached,
        "__loader__": spec.loader,
        "__package__": spec.parent,
        "__spec__": spec,
    }
    return code, spec.origin, names
