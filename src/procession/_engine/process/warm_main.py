"""The main module of a program, imported once for all children of a warm server.

A child that is not a fork imports its parent's main module again, under the name
``__mp_main__``, to find there what was pickled by reference.  The warm server does it before it
forks, with the standard library's own function and so by its rules.  The parent describes its
main module with every start: if that is another one by then, or its file has changed, the child
forgets what the server imported, and imports for itself.
"""

from __future__ import annotations

import os
import sys
import threading
from multiprocessing import process, spawn

from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

    Description = tuple[Any, ...]
    """Which main module, and which state of its file; compared, and nothing else."""

NAME, PATH = "init_main_from_name", "init_main_from_path"
"""How the standard library's preparation of a child says what to import."""


class UnfitToFork(Exception):  # noqa: N818  # no error: the server begins anew
    """The import of the main module left threads behind, or failed: begin without it."""


def describe(preparation: Mapping[str, Any]) -> Description | None:
    """In the parent: describe the main module; None where a child imports none, or no file is."""
    if not MAIN.is_importable():
        return None
    name, path = preparation.get(NAME), preparation.get(PATH)
    if name is None and path is None:
        return None
    file = getattr(sys.modules["__main__"], "__file__", None) if path is None else path
    if not isinstance(file, str):
        return None
    try:
        # No Path: each start comes by.
        status = os.stat(os.path.join(preparation.get("orig_dir") or "", file))  # noqa: PTH116, PTH118
    except OSError:
        return None
    return name, path, status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev


class MainModule:
    """What the server knows of the main module that it imported."""

    def __init__(self) -> None:
        self._description: Description | None = None
        self._before: ModuleType = sys.modules["__main__"]

    def load(self, preparation: Mapping[str, Any], description: Description) -> None:
        """In the server: import it.  Raises UnfitToFork where no child should be forked then."""
        before = threading.active_count()
        me: Any = process.current_process()
        # What keeps a script without a guard from starting processes.
        me._inheriting = True  # noqa: SLF001
        try:
            wanted = {key: preparation[key] for key in (NAME, PATH) if key in preparation}
            spawn.prepare(wanted)
        except BaseException as error:
            # Whatever it is, SystemExit too: a child meets it again, and reports it.
            raise UnfitToFork from error
        finally:
            del me._inheriting  # noqa: SLF001
        if threading.active_count() > before:
            raise UnfitToFork
        self._description = description

    def keep_or_forget(self, description: Description | None) -> bool:
        """In a child: forget what was imported unless the parent's is the same to this day.

        Returns whether there is a main module now.
        """
        if self._description is None:
            return False
        if self._description == description:
            return True
        sys.modules["__main__"] = self._before
        sys.modules.pop("__mp_main__", None)
        return False
