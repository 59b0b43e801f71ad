"""Who else has our ``__main__``: decides what of it travels by reference, and what by value.

Pickle names a function or class, and the other process imports it.  For those of ``__main__`` that
is true of some processes only:

* a forked child has the main module as it was at the fork;
* a child of another kind imports it again where the standard library's rules say so and the file
  is made for it, as its ``if __name__ == "__main__":`` tells.  Nothing is different for these;
* all others have no ``__main__`` of ours: a script without the guard would start its work anew,
  and a notebook, ``-c``, standard input or the ``__main__.py`` of a package cannot be imported.

So code of ``__main__`` travels by value as soon as somebody may be there who lacks it.  A main
module that grows while it runs (notebook, interactive session) always travels by value: what was
defined after a fork is not in the fork.  See docs/design/main-module.md.
"""

from __future__ import annotations

import os
import sys
from multiprocessing import process

from procession._engine.config import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType
    from typing import Any

__all__ = ["MAIN", "MainModule", "file_is_guarded"]

_GUARD_AT_THE_MARGIN = r"^if\b.*\b__name__\b"
_GUARDS = frozenset({"__name__", "parent_process", "current_process"})
"""What a condition at the top level asks that tells a program from a child of it."""


class MainModule:
    """What this process knows of its ``__main__`` and of the processes that it talks to."""

    def __init__(self) -> None:
        self._absent = False
        self._strangers = False
        self._guarded: dict[tuple[str, int], bool] = {}
        self._at_fork: dict[str, Any] | None = None
        """What a growing main module had when the oldest of the living forks was made."""
        self._arrived: dict[str, Any] = {}
        """Globals that came with functions, or were there at the fork: not this child's own."""
        self._listeners: list[Callable[[bool], object]] = []

    # ---- what others have ----------------------------------------------------------------

    def travels_by_value(self) -> bool:
        """Return whether code of ``__main__`` is to be sent by value now."""
        return self._strangers or self._absent or is_growing()

    def listen(self, listener: Callable[[bool], object]) -> None:
        """Call ``listener`` with what ``travels_by_value`` says, now and when that changes."""
        self._listeners.append(listener)
        listener(self.travels_by_value())

    def is_importable(self) -> bool:
        """Return whether a child that is no fork imports our main module, by its name or path.

        The standard library's rules, and a guard.
        """
        main = sys.modules.get("__main__")
        if self._absent or main is None:
            return False
        name = getattr(getattr(main, "__spec__", None), "name", None)
        if name is not None and (name == "__main__" or name.endswith(".__main__")):
            return False
        file = getattr(main, "__file__", None)
        if file is None:
            return name is not None
        return self._is_guarded(os.path.join(process.ORIGINAL_DIR or "", file))  # type: ignore[attr-defined]  # noqa: PTH118  # at each start

    def expect(self, method: str | None) -> None:
        """Take note that processes are, or will be, started by this method."""
        if method is None or self._strangers:
            return
        if method != "fork" and not self.is_importable():
            self._strangers = True
            explain(
                "__main__ (%s) is not imported by children: its code goes by value",
                getattr(_main(), "__file__", None) or "no file",
            )
            self._tell()

    def is_shared(self, name: str, value: Any) -> bool:
        """Return whether all others are forks of us that have this value under this name."""
        return (
            self._at_fork is not None
            and not self._strangers
            and not self._absent
            and self._at_fork.get(name, self) is value
        )

    def before_start(self) -> bool:
        """Take note that a process is about to start; return whether classes must be known."""
        if not is_growing():
            return False
        if self._at_fork is None or not process.active_children():
            self._at_fork = dict(vars(_main()))
        return True

    def _is_guarded(self, file: str) -> bool:
        try:
            key = file, os.stat(file).st_mtime_ns  # noqa: PTH116  # at each start
            if key not in self._guarded:
                # The parent looks; every child imports this module.
                from pathlib import Path  # noqa: PLC0415

                self._guarded[key] = file_is_guarded(Path(file))
            return self._guarded[key]
        except OSError:
            return False

    def _tell(self) -> None:
        for listener in self._listeners:
            listener(self.travels_by_value())

    # ---- in children ---------------------------------------------------------------------

    def be_absent(self) -> None:
        """In a child that was started without our main module: know that it has none."""
        self._absent = True
        self._tell()

    def be_forked(self) -> None:
        """In a forked child: what is there now is the parent's, and may be replaced by it."""
        if is_growing():
            self._at_fork = dict(vars(_main()))
            self._arrived = dict(self._at_fork)

    # ---- globals of functions that arrive ------------------------------------------------

    def take_in(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return which of the globals that came with a function are to be set here.

        All that this process has not bound itself: a worker's initializer may have set some.
        """
        namespace, arrived = vars(_main()), self._arrived
        missing = object()
        accepted = {
            name: value
            for name, value in values.items()
            if name not in namespace or namespace[name] is arrived.get(name, missing)
        }
        arrived.update(accepted)
        return accepted


def _main() -> ModuleType:
    return sys.modules["__main__"]


def is_growing() -> bool:
    """Return whether the main module is a notebook's or an interactive session's.

    It has no file, and is neither of ``-c`` nor of standard input, which are read once.
    """
    main = sys.modules.get("__main__")
    if main is None or getattr(main, "__file__", None) is not None:
        return False
    if getattr(main, "__spec__", None) is not None:
        return False
    return hasattr(sys, "ps1") or hasattr(main, "get_ipython") or _argument_zero() not in ("-c", "")


def _argument_zero() -> str:
    return sys.argv[0] if sys.argv else ""


def file_is_guarded(file: Path) -> bool:
    """Return whether the program in ``file`` may be imported without starting its work.

    That is so when its top level asks for ``__name__`` (or for the parent process) in a condition.
    A file that is no Python source, such as a compiled one, is left to the standard rules.
    Raises OSError where the file cannot be read.
    """
    if file.suffix in (".pyc", ".so") or file.is_dir():
        return True
    import re  # noqa: PLC0415  # as above

    source = file.read_bytes()
    if re.search(_GUARD_AT_THE_MARGIN, source.decode("latin-1"), re.MULTILINE):
        return True
    import ast  # noqa: PLC0415  # as above

    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return True
    return any(_asks(test) for test in _conditions(tree.body))


def _conditions(statements: list[ast.stmt]) -> list[ast.expr]:
    """Conditions of the top level, also within ``try``, ``with``, ``if`` and loops."""
    import ast  # noqa: PLC0415  # as above

    found: list[ast.expr] = []
    for statement in statements:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if isinstance(statement, (ast.If, ast.While)):
            found.append(statement.test)
        for _, value in ast.iter_fields(statement):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                found += _conditions(value)
    return found


def _asks(test: ast.expr) -> bool:
    import ast  # noqa: PLC0415  # as above

    names = (getattr(node, "id", getattr(node, "attr", None)) for node in ast.walk(test))
    return not _GUARDS.isdisjoint(names)


MAIN = MainModule()
"""The one of this process."""
