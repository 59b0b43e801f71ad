"""Run a program that uses `multiprocessing`, unchanged, with procession underneath.

The program, and every process that it starts, finds procession where it imports
`multiprocessing` or one of its submodules.  All else is as with `python` itself:
arguments, exit code, tracebacks.

  procession run script.py [arguments]
  procession run -m module [arguments]
  procession run -c code [arguments]
"""

from __future__ import annotations

import argparse
import importlib.machinery
import io
import os
import runpy
import sys
import zipimport
from types import ModuleType, TracebackType

from procession._engine.cli import stand_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NAME = "run"
SUMMARY = "run a program that uses multiprocessing, with procession underneath"

FAILED = 1
INTERRUPTED = 130


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: everything after the program belongs to it."""
    parser.usage = "procession run (script | -m module | -c code) [arguments ...]"
    rest = argparse.REMAINDER
    parser.add_argument("-m", dest="module", nargs=rest, help="run a module, as python -m does")
    parser.add_argument("-c", dest="code", nargs=rest, help="run this code, as python -c does")
    parser.add_argument("script", nargs="?", help="run a file, or a folder with a __main__.py")
    parser.add_argument("arguments", nargs=rest, help="what the program finds in sys.argv")


def run(arguments: argparse.Namespace) -> int:
    """Run the program; return its exit code.  Raises SystemExit as the program does."""
    stand_in.install()
    if arguments.module:
        name, *rest = arguments.module
        return _run(rest, _folder_of_call(), name, lambda: _run_module(name))
    if arguments.code:
        code, *rest = arguments.code
        return _run(rest, "", "-c", lambda: _execute(code, "<string>", None))
    if arguments.script is None:
        sys.stderr.write("procession run: name a script, or -m module, or -c code\n")
        return 2
    script = arguments.script
    folder = os.path.dirname(os.path.realpath(script))  # noqa: PTH120  # as Python itself does
    if not os.path.exists(script):  # noqa: PTH110
        sys.stderr.write(f"procession run: can't open file {script!r}: there is no such file\n")
        return 2
    if _is_package(script):
        return _run(arguments.arguments, script, script, _run_package)
    return _run(arguments.arguments, folder, script, lambda: _run_file(script))


def _folder_of_call() -> str:
    return os.getcwd()  # noqa: PTH109  # text, as sys.path has it


def _run(rest: list[str], folder: str, name: str, start: Callable[[], object]) -> int:
    """Set what a program finds in ``sys``, and start it."""
    sys.argv = [name, *rest]
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = folder
    try:
        start()
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001  # the program's own, shown as Python shows it
        _show(error)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED
    return 0


def _run_file(script: str) -> None:
    path = os.path.abspath(script)  # noqa: PTH100  # text, as __file__ is
    with io.open_code(path) as file:
        source = file.read()
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    _execute(source, path, path, loader)


def _execute(source: str | bytes, name: str, file: str | None, loader: Any = None) -> None:
    """Run source as ``__main__``, which stays so until the interpreter ends."""
    main = _new_main()
    main.__loader__ = loader
    if file is not None:
        main.__file__ = file
        main.__cached__ = None  # type: ignore[attr-defined]
    exec(compile(source, name, "exec", dont_inherit=True), vars(main))  # noqa: S102


def _new_main() -> ModuleType:
    """Put an empty ``__main__`` in the place of ours, also for what children send back."""
    main = ModuleType("__main__")
    main.__builtins__ = sys.modules["builtins"]  # type: ignore[attr-defined]
    sys.modules["__main__"] = sys.modules["__mp_main__"] = main
    return main


def _run_module(name: str, is_package: bool = False) -> None:
    _new_main()
    # What the interpreter itself calls, for -m and for folders and zip files.
    run: Callable[[str, bool], object] = runpy._run_module_as_main  # type: ignore[attr-defined]  # noqa: SLF001
    run(name, not is_package)


def _run_package() -> None:
    """Run the ``__main__`` of what is first in ``sys.path``."""
    _run_module("__main__", is_package=True)


def _is_package(place: str) -> bool:
    if os.path.isdir(place):  # noqa: PTH112
        return True
    try:
        zipimport.zipimporter(place)
    except zipimport.ZipImportError:
        return False
    return True


def _show(error: BaseException) -> None:
    """Print the traceback as the interpreter would, without the frames of this file and runpy's."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)


def _is_ours(filename: str) -> bool:
    return filename in (__file__, runpy.__file__, "<frozen runpy>")
