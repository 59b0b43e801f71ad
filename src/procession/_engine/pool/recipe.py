"""The function of a call, sent once and kept by the workers.

A recipe is a few bytes that every message of the call carries: how the function is applied,
and the function itself, pickled once when the call is made.  Any worker can start on any
message, in any order, also one that was started after the call.  A function that is found by
its name makes the same recipe in every call, so workers keep it from call to call; all
others are made anew for each call, as their state may have changed.

A function that is big by itself (a partial or closure over an array) is written once into an
anonymous file, and the recipe says where.  Workers map it privately: its arrays are in memory
once, for all, until somebody writes to them.

Queues, connections and locks that a function carries (a partial or closure over them) are lent
to the workers, as each of them reads the recipe for itself, until the call has ended.
"""

from __future__ import annotations

import pickle
from collections import deque
from functools import partial
from types import BuiltinFunctionType, FunctionType, ModuleType

from procession._engine.pool.memory_file import FileShelf, map_privately
from procession._engine.pool.parcel import pack, unpack
from procession._engine.wire.loan import Loan
from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, TypeAlias

    from procession._engine.pool.memory_file import MemoryFile
    from procession._engine.pool.parcel import Buffers

    Method: TypeAlias = tuple[Callable[..., Any], int, bool, bool]
    """A recipe as the worker has it: function, kind (how to call it), ``eager``, ``timed``.

    ``eager``: each result is sent as soon as it is there.  ``timed``: eager, and tasks have a time
    limit.  A plain tuple, which the native loop reads.
    """

__all__ = [
    "APPLY",
    "EAGER",
    "MAP",
    "STARMAP",
    "STATEFUL",
    "TIMED",
    "Recipe",
    "RecipeBook",
    "RecipeShelf",
]

MAP: Final = ord("m")
STARMAP: Final = ord("s")
APPLY: Final = ord("a")

# The manner of a call: any of these together.
EAGER: Final = 1
"""Each result is sent as soon as it is there."""
TIMED: Final = 2
"""Eager, and tasks have a time limit."""
STATEFUL: Final = 4
"""The function gets the worker's state as its first argument."""

_INLINE: Final = ord("i")
_LENT: Final = ord("l")
_FILE: Final = ord("f")

_INLINE_LIMIT = 1024
"""Bytes of a function that travel in every message; above, it goes into a file."""

_KEPT_INLINE = 64
_KEPT_LENT = 8  # each has descriptors
_KEPT_FILES = 2


class Recipe:
    """The parent's side: the bytes for the messages, and the file if there is one.

    Raises whatever pickling the function raises.
    """

    def __init__(self, function: Any, kind: int, manner: int, call: int, files: FileShelf) -> None:
        self._loan = Loan()
        try:
            with self._loan:
                data, buffers = pack(function)
        except BaseException:
            self._loan.end()
            raise
        self.is_of_main = getattr(function, "__module__", None) == "__main__"
        self._file: MemoryFile | None = None
        self.must_close = bool(self._loan)
        """Whether there is something to give back when the call has ended."""
        self.kept = False  # on the shelf, for more than one call
        head = bytes((kind, manner))
        if len(data) <= _INLINE_LIMIT and not buffers:
            unique = b"" if _is_found_by_name(function) else call.to_bytes(8, "little")
            self.text = head + bytes((_LENT if self._loan else _INLINE,)) + data + unique
        else:
            self.text = head + bytes((_FILE,)) + self._write(data, buffers, call, files)

    def _write(self, data: bytes, buffers: Buffers, call: int, files: FileShelf) -> bytes:
        """Put the function into a file; returns where it is, pickled."""
        self.must_close = True
        file = files.file([memoryview(data), *(each.raw() for each in buffers or ())])
        self._file = file
        return pickle.dumps((file.path, file.places, call))

    def close(self) -> None:
        """Give file and loan back; workers that have read the recipe keep what they have."""
        self._file = None
        self._loan.end()


_NAMED_TYPES = frozenset({FunctionType, BuiltinFunctionType, type})
"""Exact types, so that comparing two of them runs nobody's code."""


def _is_found_by_name(function: Any) -> bool:
    return (
        type(function) in _NAMED_TYPES
        and "<" not in function.__qualname__
        and not (function.__module__ == "__main__" and MAIN.travels_by_value())
        and getattr(function, "__self__", None).__class__ in (type(None), ModuleType)
    )


class RecipeShelf:
    """The parent's recipes of functions that are found by their names, from call to call."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, int, int], Recipe] = {}
        self._files = FileShelf()

    def close(self) -> None:
        """No more calls come: keep no function's memory."""
        self._files.clear()

    def recipe(self, function: Any, kind: int, manner: int, call: int) -> Recipe:
        """Return the recipe of a function.  Raises whatever pickling it raises."""
        if type(function) not in _NAMED_TYPES:
            return Recipe(function, kind, manner, call, self._files)
        key = (function, kind, manner)
        known = self._kept.get(key)
        if known is not None and not (known.is_of_main and MAIN.travels_by_value()):
            return known
        recipe = Recipe(function, kind, manner, call, self._files)
        if _is_found_by_name(function):
            if len(self._kept) >= _KEPT_INLINE:
                self._kept.clear()
            self._kept[key] = recipe
            recipe.kept = True
        return recipe


class RecipeBook:
    """The worker's side: the functions of the latest calls.

    ``methods`` is what each recipe says, for those that were learned and are kept; ``state`` is
    the worker's, for the functions that get it.
    """

    state: Any = None

    def __init__(self) -> None:
        self.methods: dict[bytes, Method] = {}
        self._inline: deque[bytes] = deque()
        self._lent: deque[bytes] = deque()
        self._files: deque[bytes] = deque()

    def learn(self, text: bytes) -> Method:
        """Return what a recipe says, and keep it.  Raises whatever unpickling it raises."""
        kind, manner, where = text[:3]
        if where == _INLINE:
            self._make_room(self._inline, _KEPT_INLINE)
            function, kept = pickle.loads(text[3:]), self._inline
        elif where == _LENT:
            self._make_room(self._lent, _KEPT_LENT)
            function, kept = pickle.loads(text[3:]), self._lent
        else:
            self._make_room(self._files, _KEPT_FILES)
            function, kept = _load(text[3:]), self._files
        if manner & STATEFUL:
            function = partial(function, self.state)
        timed = bool(manner & TIMED)
        method = self.methods[text] = (function, kind, timed or bool(manner & EAGER), timed)
        kept.append(text)
        return method

    def _make_room(self, kept: deque[bytes], most: int) -> None:
        """Forget the oldest first, so that its memory is free before the next takes some."""
        while len(kept) >= most:
            self.methods.pop(kept.popleft(), None)


def _load(text: bytes) -> Callable[..., Any]:
    path, places, _ = pickle.loads(text)
    parts = map_privately(path, places)
    function: Callable[..., Any] = unpack(
        parts[0],  # type: ignore[arg-type]  # any bytes-like object will do
        tuple(parts[1:]),  # type: ignore[arg-type]
    )
    return function
