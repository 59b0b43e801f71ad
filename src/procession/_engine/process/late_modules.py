"""Modules of the standard library that a spawned child runs when it first looks into them.

``multiprocessing`` imports sockets, the Python half of pickle, regular expressions, ``subprocess``
and ``runpy`` before a child can run anything, and most children use none of them: half the time
of their start.  A late module is the true module object, in its place in ``sys.modules`` from the
beginning, whose code runs at the first look for a name that is not there yet.

What we guarantee: whoever looks finds what would have been there, in the same object.  What was
imported before us stays as it is.  Only the entry of a spawned child (``arrival.py``) does this,
before any code of the program.
"""

from __future__ import annotations

import _thread
import os
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["LateModule", "install", "spec_of"]

_LOCK = _thread.RLock()
"""Held while the code of a late module runs, and so not in the middle of a fork."""

_RUNNING: set[str] = set()

_THEN: dict[str, Callable[[Any], object]] = {}
"""Late module -> what to do once its code has run."""


class LateModule(ModuleType):
    """A module whose code has not run yet."""

    def __getattr__(self, name: str) -> Any:
        """Run the module's code, and look again."""
        # The import system asks whether this is a package: none of them is.
        if name != "__path__":
            _run(self)
            if type(self) is ModuleType:
                return getattr(self, name)
            if name in self.__dict__:  # from the middle of its own code
                return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Replace a name, which its own code would bind anew if it ran later."""
        _run(self)
        # No super(): this object may be of another class by now.
        ModuleType.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        """Remove a name."""
        _run(self)
        ModuleType.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        """List the names that there will be."""
        _run(self)
        return sorted(self.__dict__)


def _run(module: ModuleType) -> None:
    """Run the code of a late module, once, whichever threads look into it."""
    with _LOCK:
        name = module.__name__
        if type(module) is not LateModule or name in _RUNNING:
            return
        _RUNNING.add(name)
        try:
            module.__spec__.loader.exec_module(module)  # type: ignore[union-attr]
        finally:
            _RUNNING.discard(name)
        ModuleType.__setattr__(module, "__class__", ModuleType)
        if name in _THEN:
            _THEN.pop(name)(module)


def install(tracker_fd: int) -> None:
    """Put the late modules in their places; ``tracker_fd`` leads to the resource tracker.

    Imports ``multiprocessing``, which finds them there.
    """
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )
    _put_subprocess()
    if "multiprocessing" in sys.modules:  # by a hook of the interpreter's start
        _give(tracker_fd)
        return
    package = spec_of("multiprocessing", None)
    path = None if package is None else package.submodule_search_locations
    late = {
        name: _put(f"multiprocessing.{name}", path) for name in ("connection", "reduction", "spawn")
    }
    late["resource_tracker"] = _put("multiprocessing.resource_tracker", path)
    _THEN["multiprocessing.resource_tracker"] = lambda _: _give(tracker_fd)

    import multiprocessing  # noqa: PLC0415  # it finds them, and not before

    for name, module in late.items():
        if module is None:
            __import__(f"multiprocessing.{name}")
        else:
            setattr(multiprocessing, name, module)
    if late["resource_tracker"] is None:
        _give(tracker_fd)


def _give(tracker_fd: int) -> None:
    """Let this process use the resource tracker of its parent."""
    from multiprocessing import resource_tracker  # noqa: PLC0415  # late

    tracker: Any = resource_tracker._resource_tracker  # noqa: SLF001
    tracker._fd = tracker_fd  # noqa: SLF001


def _put_subprocess() -> None:
    """``multiprocessing.util`` takes one function from there, for starting processes."""
    module = _put("subprocess", None)
    if module is None:
        return

    def flags() -> Any:
        _run(module)
        return module._args_from_interpreter_flags()  # noqa: SLF001

    module.__dict__["_args_from_interpreter_flags"] = flags


def _put(name: str, path: Any) -> ModuleType | None:
    """Make a late module; None where it is there, or is none that can wait."""
    if name in sys.modules:
        return None
    spec = spec_of(name, path)
    if spec is None or not hasattr(spec.loader, "exec_module") or not spec.has_location:
        return None
    module = LateModule(name)
    module.__dict__.update(
        __spec__=spec,
        __loader__=spec.loader,
        __package__=spec.parent,
        __file__=spec.origin,
        __cached__=spec.cached,
    )
    sys.modules[name] = module
    return module


def spec_of(name: str, path: Any) -> Any:
    """Find a module: ``path`` is that of its package, if it has one."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path, None)
        if spec is not None:
            return spec
    return None
