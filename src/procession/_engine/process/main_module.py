"""What a child that is no fork does before it imports its parent's main module.

The standard library's preparation of a child names the main module, and the child imports it
before anything of ours is there.  But the first thing that it reads is the name of the process, and
we pickle that as an expression.  Only builtins may occur in it, for ``sys.path`` comes later.

* A main module that is not to be imported: the child does not where its ``__main__`` has that name
  or path already.  So its ``__main__``, which is empty, is given it.
* A program that runs with us in the place of ``multiprocessing``: so must its main module there.

See docs/design/main-module.md.
"""

from __future__ import annotations

from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["FIRST", "NameAndMore"]

FIRST: list[str] = []
"""Expressions that every child which is no fork evaluates first."""

_GIVE = "setattr(__import__('sys').modules['__main__'],{attribute!r},{value})"
_SPEC = "__import__('importlib.machinery',fromlist=['*']).ModuleSpec({name!r},None)"


class NameAndMore(str):
    """The name of a process, and what its child is to do when it reads the name."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        name = str(self)
        steps = [*FIRST, *_keep_from_main(name)]
        if not steps:
            return str, (name,)
        return eval, (f"[{','.join(steps)},{name!r}][-1]",)


def _keep_from_main(process_name: str) -> list[str]:
    if MAIN.is_importable():
        return []
    from multiprocessing import spawn  # noqa: PLC0415  # no fork needs it

    preparation = spawn.get_preparation_data(process_name)
    name = preparation.get("init_main_from_name")
    path = preparation.get("init_main_from_path")
    if name is not None:
        return [_GIVE.format(attribute="__spec__", value=_SPEC.format(name=name))]
    if path is not None:
        return [_GIVE.format(attribute="__file__", value=repr(path))]
    return []
