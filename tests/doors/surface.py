"""What names the running standard library offers, and which we lack on purpose.

``absent.json`` holds, per module, a reason for each name that we do not have.  A name that
a new release of Python brings is in neither, and a test says so.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

ABSENT: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("absent.json").read_text(encoding="utf-8")
)


def standard_modules() -> dict[str, ModuleType]:
    """Return every module of ``multiprocessing`` that imports here, by its name below it."""
    found = {}
    for info in pkgutil.walk_packages(multiprocessing.__path__, "multiprocessing."):
        with contextlib.suppress(ImportError):  # a module of another platform
            found[info.name.removeprefix("multiprocessing.")] = importlib.import_module(info.name)
    return found


def door(name: str) -> Any:
    """Return our module of that name."""
    return importlib.import_module(f"procession.{name}")


def public_names(module: ModuleType) -> set[str]:
    """Return the names that a program can reach: listed, or without an underscore."""
    reachable = {name for name in vars(module) if not name.startswith("_")}
    borrowed = {name for name in reachable if isinstance(getattr(module, name), ModuleType)}
    return (reachable - borrowed) | set(getattr(module, "__all__", ()))
