"""procession in the place of ``multiprocessing``, for one program and all its children.

``sys.modules`` gets a stand-in for ``multiprocessing`` and for each of its submodules: the names of
our door first, else those of the standard module.  So whoever imports them from now on, in whatever
form, finds ours; the standard library's own modules, which are loaded before and not touched, find
also what only they know of.  Children do the same before they import anything of the program.

Loky (joblib's own workers) is left alone: it has a start method, processes and queues of its own,
which are made of the insides of the standard ones.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

import procession._engine as engine
from procession._engine import passthrough
from procession._engine.config import explain
from procession._engine.process.main_module import FIRST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["StandIn", "install"]

STANDARD, OURS = "multiprocessing", "procession"

_LEFT_ALONE = ("loky", "joblib.externals.loky")
"""Packages that find the standard library here."""


class StandIn(ModuleType):
    """A standard module's name, behind which our door stands."""

    def __init__(self, standard: ModuleType, door: ModuleType) -> None:
        super().__init__(standard.__name__, standard.__doc__)
        for name in ("__file__", "__path__", "__package__", "__spec__", "__loader__", "__all__"):
            if hasattr(standard, name):
                self.__dict__[name] = getattr(standard, name)
        self.__dict__["_stand_in_for"] = (door, standard)

    def __getattr__(self, name: str) -> Any:
        """Return a submodule's stand-in, our name, or the standard module's."""
        if _is_left_alone(sys._getframe(1).f_globals):  # noqa: SLF001
            return getattr(self.__dict__["_stand_in_for"][1], name)
        submodule = sys.modules.get(f"{self.__name__}.{name}")
        if isinstance(submodule, StandIn):
            return submodule
        door, standard = self.__dict__["_stand_in_for"]
        try:
            return getattr(door, name)
        except AttributeError:
            return getattr(standard, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Replace a name where it is looked up; submodules are found without."""
        if not isinstance(value, ModuleType):
            setattr(self.__dict__["_stand_in_for"][0], name, value)

    def __delattr__(self, name: str) -> None:
        """Take a name away where it is looked up, as who has replaced it may do."""
        delattr(self.__dict__["_stand_in_for"][0], name)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        """Travel by name, as modules do with cloudpickle and dill."""
        return importlib.import_module, (self.__name__,)

    def __dir__(self) -> list[str]:
        """Return the names of both."""
        door, standard = self.__dict__["_stand_in_for"]
        return sorted({*dir(door), *dir(standard)})


def _is_left_alone(asking: dict[str, Any]) -> bool:
    """Whether a name is asked for by code, with these globals, of a package that we leave alone."""
    name = str(asking.get("__name__"))
    return any(name == package or name.startswith(package + ".") for package in _LEFT_ALONE)


def install() -> None:
    """Put the stand-ins up, here and in every child.  Does nothing the second time."""
    if isinstance(sys.modules.get(STANDARD), StandIn):
        return
    pairs = _pairs()
    passthrough.keep({standard.__name__: standard for standard, _ in pairs})
    for standard, door in pairs:
        sys.modules[standard.__name__] = StandIn(standard, door)
    FIRST.append(_expression())
    explain("procession stands in the place of %s", STANDARD)


def _pairs() -> list[tuple[ModuleType, ModuleType]]:
    """Every standard module that this system has, loaded, with the door of that name."""
    names = _names(importlib.import_module(STANDARD), "")
    pairs = []
    for name in ["", *names]:
        try:
            standard = importlib.import_module(STANDARD + name)
            pairs.append((standard, importlib.import_module(OURS + name)))
        except ImportError:
            continue  # for another system, or without a door: the standard module stays
    return pairs


def _names(package: ModuleType, prefix: str) -> list[str]:
    found = []
    for module in pkgutil.iter_modules(package.__path__):
        name = f"{prefix}.{module.name}"
        found.append(name)
        if module.ispkg:
            found += _names(importlib.import_module(STANDARD + name), name)
    return found


def _expression() -> str:
    """What a child evaluates: find this package, and do as we did."""
    place = str(Path(engine.__file__).parents[2])
    return (
        f"{place!r} in __import__('sys').path or __import__('sys').path.append({place!r}),"
        f"__import__({__name__!r},fromlist=['*']).install()"
    )
