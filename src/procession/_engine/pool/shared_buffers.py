"""What the tasks of a call have in common travels once: big buffers, most of all NumPy's arrays.

A buffer that is sent for the second time is written into a file, and from then on messages
say where it lies.  Workers map it privately, so a task that writes to it changes neither what the
other tasks see nor the parent's.

What the parent writes to an array while a call is under way may or may not be seen by its tasks.
A file is closed when the owner of its buffer is gone and the tasks that were told of it have
ended, or with the call.
"""

from __future__ import annotations

import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from procession._engine.pool.memory_file import MemoryFile, map_privately
from procession._engine.pool.parcel import pack, unpack

if TYPE_CHECKING:
    import pickle
    from collections.abc import Callable

    from procession._engine.pool.parcel import Reducers

__all__ = ["SharedBuffers", "SharedTask"]


class _InFile(NamedTuple):
    """Stands for a buffer in a message."""

    path: str
    nbytes: int


class SharedTask:
    """A function without arguments on its way to a worker, pickled, and its big buffers.

    ``files`` has those of the buffers that are in files; it must be kept until the task has ended.
    """

    def __init__(
        self,
        data: bytes,
        buffers: tuple[Any, ...],
        function: Callable[[], Any] | None = None,
        files: tuple[MemoryFile, ...] = (),
    ) -> None:
        self._data = data
        self._buffers = buffers
        self._function = function
        self.files = files

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return SharedTask, (self._data, self._buffers)

    def __repr__(self) -> str:
        return repr(self._function)

    def run(self) -> Any:
        """In a worker: return what the function returns.  Raises what it, or unpickling, raises."""
        return unpack(self._data, tuple(_arrived(each) for each in self._buffers))()


def _arrived(buffer: Any) -> Any:
    if isinstance(buffer, _InFile):
        return map_privately(buffer.path, [(0, buffer.nbytes)])[0]
    return buffer


class _Known:
    """A buffer that was sent: who owns its memory, and the file that it was written to."""

    def __init__(self, owner: weakref.ref[Any]) -> None:
        self.owner = owner
        self.file: MemoryFile | None = None


class SharedBuffers:
    """The parent's side, for one call.  ``least``: bytes of a buffer that is worth a file.

    Methods may be called from any thread.
    """

    def __init__(self, least: float) -> None:
        self._least = least
        self._known: dict[tuple[int, int], _Known] = {}
        self._lock = threading.Lock()

    def pack(self, function: Callable[[], Any], reducers: Reducers) -> SharedTask:
        """Pickle a function for a worker.  Raises whatever pickling it raises."""
        data, buffers = pack(function, reducers)
        files: list[MemoryFile] = []
        with self._lock:
            places = tuple(self._place(buffer, files) for buffer in buffers or ())
        return SharedTask(data, places, function, tuple(files))

    def _place(self, buffer: pickle.PickleBuffer, files: list[MemoryFile]) -> Any:
        """Return what a message carries for a buffer."""
        raw = buffer.raw()
        numpy: Any = sys.modules.get("numpy")
        if raw.nbytes < self._least or numpy is None:
            return buffer
        address = numpy.frombuffer(raw, numpy.uint8).ctypes.data
        known = self._find(memoryview(buffer).obj, (address, raw.nbytes))
        if known is None:
            return buffer
        if known.file is None:
            try:
                known.file = MemoryFile([raw])
            except OSError:  # no memory, or too many files: as before, then
                return buffer
        files.append(known.file)
        return _InFile(known.file.path, raw.nbytes)

    def _find(self, sent: Any, key: tuple[int, int]) -> _Known | None:
        """Return what is known of memory that was sent before, and belongs to the same owner."""
        owner = _owner(sent)
        known = self._known.get(key)
        if known is not None and known.owner() is owner:
            return known
        try:
            fresh = self._known[key] = _Known(weakref.ref(owner, lambda _: forget()))
        except TypeError:  # nothing tells when its memory is somebody else's
            return None
        entries, reference = self._known, weakref.ref(fresh)

        def forget() -> None:
            if entries.get(key) is reference():
                entries.pop(key, None)

        return None


def _owner(array: Any) -> Any:
    """Return the array that an array is a view of; another exporter of memory as it is."""
    while type(base := getattr(array, "base", None)).__name__ in ("ndarray", "memmap"):
        array = base
    return array
