"""Code that travels by value: what pickle cannot name, or the other side cannot import.

cloudpickle takes functions and classes apart; we say which, and how they settle at the other side:

* functions of one ``__main__`` share the globals of the receiver's ``__main__``, so that what an
  initializer set there is seen by the tasks, as after a fork.  What comes with a function does
  not overwrite what the receiver has bound itself;
* a class has one identity in each process, however often it comes and goes; where it is at
  home, its copies change nothing.

Whoever wants bytes that cannot fail for a reason of ours takes ``dumps``.  It costs some
microseconds more than the C pickler, so messages try that one first (see wire.pickler).
"""

from __future__ import annotations

import copyreg
import importlib
import io
import sys
import types
import weakref
from contextlib import suppress
from multiprocessing.reduction import ForkingPickler

import cloudpickle

from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["dumps", "know_classes_of_main"]

_STAYS_REFUSED = (memoryview, io.TextIOWrapper)
"""What cloudpickle would send as copies of their contents, and the standard library refuses."""

_AT_HOME: weakref.WeakSet[type] = weakref.WeakSet()
"""Classes that were made here, and have been sent."""

_ARRIVED: weakref.WeakSet[type] = weakref.WeakSet()
"""Classes that came by value."""


class _Globals(dict):  # type: ignore[type-arg]
    """Stands for the globals of ``__main__`` in a pickle; each process has its own."""

    def __reduce__(self) -> tuple[Callable[[], dict[str, Any]], tuple[()]]:
        return _globals_of_main, ()


def _globals_of_main() -> dict[str, Any]:
    return vars(sys.modules["__main__"])


_DISPATCH: dict[type, Callable[[Any], Any]] = {}
"""Of cloudpickle, as a dict: theirs is a chain of two, slow to unpack each time."""


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # no types of its own
    """Pickles code by value where it must, all else as ForkingPickler does."""

    def __init__(
        self,
        file: Any,
        buffer_callback: Callable[[Any], object] | None = None,
        reducers: Mapping[type, Callable[[Any], Any]] | None = None,
    ) -> None:
        # Before the base class looks for it.
        self.dispatch_table = {
            **_DISPATCH,
            **copyreg.dispatch_table,
            **ForkingPickler._extra_reducers,  # type: ignore[attr-defined]  # noqa: SLF001
            **(reducers or {}),
        }
        for kind in _STAYS_REFUSED:
            self.dispatch_table.pop(kind, None)
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self._main_by_value = MAIN.travels_by_value()
        self._main = _globals_of_main()
        self._stand_in = _Globals()

    def reducer_override(self, obj: Any) -> Any:
        """Take functions and classes apart that the other side cannot import."""
        is_function = isinstance(obj, types.FunctionType)
        if not is_function and not isinstance(obj, type):
            return NotImplemented
        if _is_in_main(obj) and not self._main_by_value:
            return NotImplemented
        if not is_function and MAIN.is_shared(obj.__qualname__, obj):
            return NotImplemented
        _import_its_module(obj)
        reduced = super().reducer_override(obj)
        if not isinstance(reduced, tuple) or len(reduced) < 6:
            return reduced
        return self._function(obj, reduced) if is_function else _class(obj, reduced)

    def _function(self, function: types.FunctionType, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
        make, arguments, state, _, _, settle = reduced
        if function.__globals__ is self._main:
            arguments = (arguments[0], self._stand_in, *arguments[2:])
            state[1]["__globals__"] = {
                name: value
                for name, value in state[1]["__globals__"].items()
                if isinstance(value, types.FunctionType) or not MAIN.is_shared(name, value)
            }
        return make, arguments, (settle, state), None, None, _settle_function


def _import_its_module(obj: Any) -> None:
    """Import the module that the object says it is of, as pickle does before it looks there.

    cloudpickle looks among the loaded modules only.  Our own classes name doors, which are
    imported late: they would travel by value, to be built anew in each child.
    """
    name = getattr(obj, "__module__", None)
    if isinstance(name, str) and name not in sys.modules:
        with suppress(Exception):  # then it has no such home, and travels by value
            importlib.import_module(name)


def _is_in_main(obj: Any) -> bool:
    """Whether pickle finds this function or class in ``__main__`` by its name."""
    if getattr(obj, "__module__", None) != "__main__":
        return False
    found: Any = sys.modules.get("__main__")
    for name in obj.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is obj


def _reduce_method(method: types.MethodType) -> tuple[Any, ...]:
    """Name the method of its object, as pickle does, where it has one of that name.

    The function alone may have no name to go by, as a decorated one, and would be copied.
    """
    if getattr(method.__self__, method.__name__, None) == method:
        return getattr, (method.__self__, method.__name__)
    return types.MethodType, (method.__func__, method.__self__)


_reduce_code_unnamed = cloudpickle.Pickler.dispatch_table[types.CodeType]

_PLACE_OF_FILE = 10
"""Where ``CodeType`` takes the name of the file, in every version of Python so far."""


def _reduce_code(code: types.CodeType) -> tuple[Any, ...]:
    """Leave code the name of its file: tracebacks, warnings and debuggers show lines of it.

    Since 3.1.2 cloudpickle writes ``<dynamic-code>`` instead, for pickles that do not depend on
    where a program lies; nobody compares ours.
    """
    make, arguments = _reduce_code_unnamed(code)
    before, behind = arguments[:_PLACE_OF_FILE], arguments[_PLACE_OF_FILE + 1 :]
    return make, (*before, code.co_filename, *behind)


_DISPATCH.update(cloudpickle.Pickler.dispatch_table)
_DISPATCH[types.MethodType] = _reduce_method
_DISPATCH[types.CodeType] = _reduce_code


def _class(kind: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    make, arguments, state, _, _, settle = reduced
    if kind not in _ARRIVED:
        _AT_HOME.add(kind)
    return make, arguments, (settle, state), None, None, _settle_class


def _settle_function(function: types.FunctionType, carried: tuple[Any, Any]) -> None:
    """At the other side: give a function its globals and the rest of its state."""
    settle, (attributes, slots) = carried
    if function.__globals__ is _globals_of_main():
        slots["__globals__"] = MAIN.take_in(slots["__globals__"])
    settle(function, (attributes, slots))


def _settle_class(kind: type, carried: tuple[Any, Any]) -> None:
    """At the other side: give a class its members, unless it is at home there."""
    settle, state = carried
    if kind in _AT_HOME:
        return
    _ARRIVED.add(kind)
    settle(kind, state)


def dumps(
    obj: Any,
    buffer_callback: Callable[[Any], object] | None = None,
    reducers: Mapping[type, Callable[[Any], Any]] | None = None,
) -> bytes:
    """Return a pickle of ``obj`` in which code goes by value where it must.

    ``pickle.loads`` reads it.  ``reducers`` of types go before those that programs registered.
    Raises what pickling raises.
    """
    stream = io.BytesIO()
    try:
        Pickler(stream, buffer_callback, reducers).dump(obj)
    except Exception as error:
        _name_the_cause(obj, error)
        raise
    return stream.getvalue()


def _name_the_cause(obj: Any, error: Exception) -> None:
    """Say which globals of a function that goes by value have no pickle (Python 3.11 has notes)."""
    function = obj.__func__ if isinstance(obj, types.MethodType) else obj
    if not isinstance(function, types.FunctionType) or not hasattr(error, "add_note"):
        return
    bound = function.__globals__
    refused = [name for name in function.__code__.co_names if _is_refused(bound.get(name))]
    if refused:
        error.add_note(
            f"procession sends {function.__qualname__!r} by value, as the other process cannot"
            f" import it, and with it the globals it uses; of these {', '.join(refused)} cannot"
            " be pickled. Make them in an initializer or in the function, or put the function into"
            " a module"
        )


def _is_refused(value: Any) -> bool:
    if isinstance(value, (types.FunctionType, type, types.ModuleType)):
        return False
    try:
        Pickler(io.BytesIO()).dump(value)
    except Exception:  # noqa: BLE001  # whatever it raises
        return True
    return False


def know_classes_of_main() -> None:
    """Before a fork: have the child know the classes of a growing main module as its own."""
    for value in list(_globals_of_main().values()):
        if isinstance(value, type) and value.__module__ == "__main__":
            cloudpickle.cloudpickle._get_or_create_tracker_id(value)  # noqa: SLF001
            if value not in _ARRIVED:
                _AT_HOME.add(value)
