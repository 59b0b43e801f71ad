"""A child that is not to import the parent's main module, and how it is kept from doing so.

The standard library's preparation of a child names the main module, and the child imports it
before anything of ours is there.  It does not where its ``__main__`` has that name or path already.
So the child's ``__main__``, which is empty, is given it: the name of the process, the first thing
that the child reads, is pickled as an expression that does so.  Only builtins may occur in it, for
``sys.path`` has not arrived by then.  See docs/design/main-module.md.
"""

from __future__ import annotations

from multiprocessing import spawn
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NameWithoutMain"]

_SET = "[setattr(__import__('sys').modules['__main__'],{attribute!r},{value}),{name!r}][1]"
_SPEC = "__import__('importlib.machinery',fromlist=['*']).ModuleSpec({name!r},None)"


class NameWithoutMain(str):
    """The name of a process whose child is to begin without our main module."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        preparation = spawn.get_preparation_data(str(self))
        name = preparation.get("init_main_from_name")
        path = preparation.get("init_main_from_path")
        if name is not None:
            given = {"attribute": "__spec__", "value": _SPEC.format(name=name)}
        elif path is not None:
            given = {"attribute": "__file__", "value": repr(path)}
        else:
            return str, (str(self),)
        return eval, (_SET.format(name=str(self), **given),)
