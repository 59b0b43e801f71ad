"""Names for types that several layers speak of, and ``NamedTuple`` without ``typing``.

Nothing of ours imports ``typing`` when it runs: that is half a MiB, and some milliseconds, for
a program that has no other use for it.  Type checkers see the true one.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

__all__ = ["NamedTuple", "Target"]

Target = Callable[..., object]
"""What a process runs, or a pool calls first in each worker."""

_OF_THE_TUPLE = frozenset({"__annotations__", "__doc__", "__qualname__"})


class _Fields(type):
    """Makes a named tuple out of a class body that names fields, defaults and methods."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        if not bases:  # the base itself
            return super().__new__(cls, name, bases, body)
        fields = body["__annotations__"]
        defaults = [body[field] for field in fields if field in body]
        made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])  # type: ignore[misc]  # the fields are known when this runs
        for key, value in body.items():
            if key in _OF_THE_TUPLE or not (key in fields or key.startswith("__")):
                setattr(made, key, value)
        return made


if not TYPE_CHECKING:

    class NamedTuple(metaclass=_Fields):
        """As ``typing.NamedTuple``: a field for each annotation, defaults, methods."""
