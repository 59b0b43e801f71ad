"""What a door does with a name that it does not spell out, and with one that is replaced.

The standard library's modules have names that nobody documented and somebody uses.  A door
of the adapted or passed-through kind lends them out, unknown to type checkers; the package
itself imports its submodules when they are first asked for.

Programs replace names of such a module, in tests and to work around its faults.  What they
mean is the module that does the work, so a name that a door lends out is replaced there too.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class _Door(ModuleType):
    """A module of ours in front of one of the standard library."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Replace a name, in the standard module as well if it comes from there."""
        if self._lends(name, value):
            setattr(_standard_of(self), name, value)
            if name not in self.__dict__:
                return
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        """Remove a name, in the standard module as well if it comes from there."""
        if self._lends(name, None):
            delattr(_standard_of(self), name)
            if name not in self.__dict__:
                return
        super().__delattr__(name)

    def _lends(self, name: str, value: Any) -> bool:
        """Whether a name is the standard module's; not if it is ours, or a submodule of ours."""
        if name.startswith("__") or isinstance(value, ModuleType):
            return False
        missing = object()
        theirs = getattr(_standard_of(self), name, missing)
        return self.__dict__.get(name, theirs) is theirs


_STANDARD: dict[str, str] = {}
"""Door -> the module that it stands in front of."""


_KEPT: dict[str, ModuleType] = {}
"""Standard modules whose names in ``sys.modules`` mean something else by now."""


def keep(modules: Mapping[str, ModuleType]) -> None:
    """Have doors look into these standard modules, whatever ``sys.modules`` has in their place."""
    _KEPT.update(modules)


def _module(name: str) -> ModuleType:
    return _KEPT.get(name) or importlib.import_module(name)


def _standard_of(door: ModuleType) -> ModuleType:
    return _module(_STANDARD[door.__name__])


def names_of(standard: str, door: str) -> Callable[[str], Any]:
    """Return a module ``__getattr__`` for ``door`` that looks into the ``standard`` module."""
    _STANDARD[door] = standard
    sys.modules[door].__class__ = _Door

    def look_into_standard(name: str) -> Any:
        try:
            return getattr(_module(standard), name)
        except AttributeError:
            raise AttributeError(
                f"module {door!r} has no attribute {name!r}, and neither has {standard!r}"
            ) from None

    return look_into_standard


def submodules_of(package: str, names: str) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for ``package`` that imports a submodule when it is asked for.

    ``names`` are the submodules, with spaces between them.
    """
    submodules = frozenset(names.split())

    def import_submodule(name: str) -> Any:
        if name in submodules:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return import_submodule
