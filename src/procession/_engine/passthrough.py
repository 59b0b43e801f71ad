"""What a door does with a name that it does not spell out, and with one that is replaced.

The standard library's modules have names that nobody documented and somebody uses.  A door
of the adapted or passed-through kind lends them out, unknown to type checkers; the package
itself imports its submodules when they are first asked for.

Programs replace names of such a module, in tests and to work around its faults.  What they
mean is the module that does the work, so a name that a door lends out is replaced there too.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


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

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        """Travel by name, as modules do with cloudpickle and dill."""
        return _imported, (self.__name__,)

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
    return _KEPT.get(name) or _imported(name)


def _imported(name: str) -> ModuleType:
    __import__(name)  # importlib would be an import more for each spawned child
    return sys.modules[name]


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


def late_names_of(
    package: str, submodules: str, source: str, names: Sequence[str]
) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for ``package`` that gets what is asked for when it is asked for.

    ``submodules`` are its submodules, with spaces between them, and imported then; ``names`` are
    attributes of what ``source`` names (module, colon, attribute), and looked up once.
    """
    known, borrowed = frozenset(submodules.split()), frozenset(names)
    module, _, owner = source.partition(":")

    def look_up(name: str) -> Any:
        if name in known:
            return _imported(f"{package}.{name}")
        if name in borrowed:
            value = getattr(getattr(_imported(module), owner), name)
            # A bound method is made anew by each look: the next one finds this.
            return sys.modules[package].__dict__.setdefault(name, value)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return look_up


def listing_of(package: str, names: Sequence[str]) -> Callable[[], list[str]]:
    """Return a ``__dir__`` for ``package`` that lists these names, looked up or not."""

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names})

    return list_names
