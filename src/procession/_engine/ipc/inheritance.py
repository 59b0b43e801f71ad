"""Pipe ends that a fork copied by chance must not keep the other side waiting.

A forked child has copies of all connections of its parent, though it was given only some of
them.  The end of file of a pipe comes when *every* copy of the other end is closed; a copy that
a sibling holds without knowing keeps it from ever coming, a well-known way for programs to hang.

So every process keeps a register of its live connections, and a child that was forked for a
Process looks which of them its Process object leads to: arguments, target, bound objects, what
functions close over, and the globals that their code really names.  The others are *weakened*:
usable as before, yet not counted as holders of their end.  A connection that the search missed
(code may get at objects in ways that no search sees) strengthens itself when it is first used,
so a mistake costs nothing but the old behaviour, from then on.

The search follows no more than a generous number of references; a child that was given more
than that keeps everything as it was inherited.  Queues have no end of file and need none of this.
"""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections import deque

# Each forked process imports this module; typing is large.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Protocol

    class _Weakenable(Protocol):
        @property
        def closed(self) -> bool: ...
        def weaken(self) -> None: ...


__all__ = ["LARGEST_SEARCH", "REGISTER", "register", "registered", "weaken_unreachable"]

LARGEST_SEARCH = 100_000
"""After so many references (some 20 ms) the search gives up, and nothing is weakened."""


_live: weakref.WeakSet[Any] = weakref.WeakSet()
REGISTER: set[object] = _live.data  # type: ignore[attr-defined]  # a look at it is cheaper
"""Empty while no connection is registered, as in most processes: nothing is to be weakened then."""

_LEAVES = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    bytearray,
    range,
    types.ModuleType,
    types.CodeType,
)

# Code that reaches no connection by names of its own: the standard library's and ours.
_UNSEARCHED = (frozenset(sys.stdlib_module_names) | {"procession"}) - {"__main__"}


def register(connection: _Weakenable) -> None:
    """Remember a live connection of this process; it is forgotten when it dies."""
    _live.add(connection)


def registered() -> list[Any]:
    """The live connections of this process."""
    return [connection for connection in _live if not connection.closed]


def weaken_unreachable(root: object) -> None:
    """Weaken every registered connection to which ``root`` does not lead.

    To be called in a forked child, with its Process object, before anything of the user runs.
    """
    candidates = {id(connection): connection for connection in registered()}
    if not candidates:
        return
    reached = _reachable(root, set(candidates))
    if reached is None:
        return
    for identity, connection in candidates.items():
        if identity not in reached:
            connection.weaken()


def _reachable(root: object, wanted: set[int]) -> set[int] | None:
    """Which of the wanted objects ``root`` leads to; None when there is too much to search."""
    found = wanted & {id(root)}
    seen: dict[int, object] = {id(root): root}  # keeps them alive, so that an id stays theirs
    todo: deque[object] = deque((root,))  # what is near the root is looked at first
    references = 0
    while todo and len(found) < len(wanted):
        for child in _children(todo.popleft()):
            references += 1
            if references > LARGEST_SEARCH:
                return None
            identity = id(child)
            if identity in seen or issubclass(type(child), _LEAVES):
                continue
            seen[identity] = child
            todo.append(child)
            if identity in wanted:
                found.add(identity)
    return found


def _children(current: Any) -> Iterable[object]:
    """The objects that ``current`` leads to directly; runs no code of the user's.

    The garbage collector knows what an object refers to, whatever its type.  Functions, frames
    and classes need judgement instead: a function refers to all globals of its module.
    """
    kind = type(current)  # isinstance() would ask the object for its __class__
    if issubclass(kind, types.FunctionType):
        return _of_function(current)
    if issubclass(kind, types.FrameType):
        return _of_frame(current)
    if issubclass(kind, type) and _belongs_to(_module_of(current), _UNSEARCHED):
        return ()
    if issubclass(kind, (types.BuiltinFunctionType, types.MethodWrapperType)):
        return (current.__self__,)
    return gc.get_referents(current)


def _module_of(cls: Any) -> object:
    return type.__getattribute__(cls, "__module__")


def _of_function(function: types.FunctionType) -> Iterator[object]:
    """What it closes over, its defaults and attributes, and the globals that it names."""
    yield function.__closure__
    yield function.__defaults__
    yield function.__kwdefaults__
    yield function.__dict__
    yield from _of_code(function.__code__, function.__globals__, function.__module__)


def _of_frame(frame: types.FrameType) -> Iterator[object]:
    """What a generator, coroutine or traceback holds, and the globals that its code names.

    Before Python 3.11 a frame itself refers to all globals of its module and all built-in names.
    """
    namespace, builtins = frame.f_globals, frame.f_builtins
    for child in gc.get_referents(frame):
        if child is not namespace and child is not builtins:
            yield child
    yield from _of_code(frame.f_code, namespace, dict.get(namespace, "__name__"))


def _of_code(code: types.CodeType, namespace: dict[str, Any], module: object) -> Iterator[object]:
    """The globals that code of a module names."""
    if _belongs_to(module, _UNSEARCHED):
        return
    names = set(_names_in(code))
    for name in names & namespace.keys():
        value = namespace[name]
        yield value
        if isinstance(value, types.ModuleType):
            yield from _of_module(value, names)


def _of_module(module: types.ModuleType, names: set[str]) -> Iterator[object]:
    """Those of its globals whose names a function uses together with the module's."""
    if not _belongs_to(module.__name__, _UNSEARCHED):
        for name in names & module.__dict__.keys():
            yield module.__dict__[name]


def _names_in(code: types.CodeType) -> Iterator[str]:
    """The names that a function's code looks up, nested functions' included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)


def _belongs_to(module: object, packages: frozenset[str]) -> bool:
    return isinstance(module, str) and module.partition(".")[0] in packages
