"""What a door does with a name that it does not spell out.

The standard library's modules have names that nobody documented and somebody uses.  A door
of the adapted or passed-through kind lends them out, unknown to type checkers; the package
itself imports its submodules when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def names_of(standard: str, door: str) -> Callable[[str], Any]:
    """Return a module ``__getattr__`` for ``door`` that looks into the ``standard`` module."""

    def look_into_standard(name: str) -> Any:
        try:
            return getattr(importlib.import_module(standard), name)
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
