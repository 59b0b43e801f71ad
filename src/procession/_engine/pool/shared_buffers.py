"""What several tasks have in common travels once: big buffers, most of all NumPy's arrays.

A buffer that is sent again while a message with it is on its way is written into a file, and from
then on messages say where it lies, as long as one of them is.  Workers map it privately, so a task
that writes to it changes neither what the other tasks see nor the parent's.

Whoever reads the same buffer for one call knows that it has not changed, or need not know.  For
another call it is compared with the file, if it is so big that its memory matters more than the
time: a copy into memory that is in use already takes no longer than the comparison.
"""

from __future__ import annotations

import pickle
import sys
import threading
import weakref

from procession._engine.pool.memory_file import MemoryFile, map_privately
from procession._engine.pool.parcel import pack, unpack
from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import Any, Final

    from procession._engine.pool.parcel import Buffers, Reducers

__all__ = ["Packed", "SharedBuffers", "as_given"]

BIG: Final = 1 << 20
"""Bytes of a buffer that is worth a file."""

_WORTH_COMPARING: Final = 64 << 20
"""Bytes of a buffer that several calls share; those of one call share smaller ones as well."""


class _InFile(NamedTuple):
    """Stands for a buffer in a message."""

    path: str
    nbytes: int


class _Use:
    """Messages with the same buffer; lives as long as one of them is on its way.

    ``owner`` of the memory, ``file`` from the second message on, ``reader``: the call that had
    the memory read last, None for one that may see it change.
    """

    __slots__ = ("__weakref__", "file", "owner", "reader")

    def __init__(self, owner: weakref.ref[Any], reader: Hashable) -> None:
        self.owner = owner
        self.reader = reader
        self.file: MemoryFile | None = None

    def serves(self, raw: memoryview, reader: Hashable) -> bool:
        """Whether its file, or the one that is to be written, is what a message may refer to."""
        if reader is not None and reader == self.reader:
            return True
        if raw.nbytes < _WORTH_COMPARING:
            return False
        return self.file is None or self.file.holds([raw])


class Packed:
    """An object that is pickled already: it arrives as it was at that moment.

    ``item`` is the object, for messages to people.
    """

    __slots__ = ("_buffers", "_data", "_uses", "item")

    def __init__(
        self, data: bytes, buffers: Iterable[Any], item: Any = None, uses: Iterable[_Use] = ()
    ) -> None:
        self._data = data
        self._buffers = tuple(buffers)
        self._uses = tuple(uses)
        self.item = item

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _opened, (self._data, self._buffers)

    def __repr__(self) -> str:
        return repr(self.item)


def as_given(item: Any) -> Any:
    """Return what the user gave, for an item that may have been packed."""
    return item.item if type(item) is Packed else item


def _opened(data: bytes, buffers: tuple[Any, ...]) -> Any:
    """In a worker: return the object.  Raises what unpickling it raises."""
    return unpack(data, tuple(_arrived(each) for each in buffers))


def _arrived(buffer: Any) -> Any:
    if isinstance(buffer, _InFile):
        return map_privately(buffer.path, [(0, buffer.nbytes)])[0]
    return buffer


class SharedBuffers:
    """The parent's side.  ``least``: bytes of a buffer that is worth a file.

    Methods may be called from any thread.
    """

    def __init__(self, least: float = BIG) -> None:
        self._least = least
        self._in_use: dict[tuple[int, int], weakref.ref[_Use]] = {}
        # A finalizer that uses the pool may run at any place.
        self._lock = threading.RLock()

    def pack(self, item: Any, reader: Hashable, reducers: Reducers) -> Packed:
        """Pickle an object for a worker.  Raises whatever pickling it raises."""
        data, buffers = pack(item, reducers)
        places, uses = self._place(buffers, reader)
        return Packed(data, places, item, uses)

    def keep(self, item: Any) -> Any:
        """Return what stands for an item of an input that may change it when it goes on.

        What cannot be pickled stays as it is: it fails where its message is written.
        """
        try:
            data, buffers = pack(item)
        except KeyboardInterrupt:
            raise
        except BaseException:  # whatever a user's __reduce__ raises
            return item
        places, uses = self._place(buffers, None)
        return Packed(data, map(_copied, places), item, uses)

    def filed(
        self, data: bytes, buffers: Buffers, reader: Hashable
    ) -> tuple[bytes, Buffers, tuple[_Use, ...]]:
        """Return a parcel that says where those of its buffers are that are in files.

        What comes third is to be kept until the tasks have ended.
        """
        places, uses = self._place(buffers, reader)
        if any(isinstance(place, _InFile) for place in places):
            data, buffers = pack(Packed(data, places))
        return data, buffers, uses

    def _place(
        self, buffers: Buffers, reader: Hashable
    ) -> tuple[tuple[Any, ...], tuple[_Use, ...]]:
        """Return what a message carries for each buffer, and what is to be kept."""
        if buffers is None:
            return (), ()
        uses: list[_Use] = []
        with self._lock:
            return tuple(self._placed(buffer, reader, uses) for buffer in buffers), tuple(uses)

    def _placed(self, buffer: pickle.PickleBuffer, reader: Hashable, uses: list[_Use]) -> Any:
        raw = buffer.raw()
        numpy: Any = sys.modules.get("numpy")
        if raw.nbytes < self._least or numpy is None:
            return buffer
        address = numpy.frombuffer(raw, numpy.uint8).__array_interface__["data"][0]
        key, owner = (address, raw.nbytes), _owner(memoryview(buffer).obj)
        use = self._use(key, owner)
        if use is None or not use.serves(raw, reader):
            self._begin_use(key, owner, reader, uses)
            return buffer
        if use.file is None:
            try:
                use.file = MemoryFile([raw])
            except OSError:  # no memory, or too many files: as before, then
                return buffer
        use.reader = reader
        uses.append(use)
        return _InFile(use.file.path, raw.nbytes)

    def _use(self, key: tuple[int, int], owner: Any) -> _Use | None:
        """Return the use of memory that is on its way, and belongs to the same owner."""
        known = self._in_use.get(key)
        use = None if known is None else known()
        return use if use is not None and use.owner() is owner else None

    def _begin_use(
        self, key: tuple[int, int], owner: Any, reader: Hashable, uses: list[_Use]
    ) -> None:
        try:
            use = _Use(weakref.ref(owner), reader)
        except TypeError:  # nothing tells when its memory is somebody else's
            return
        entries = self._in_use

        def forget(ended: weakref.ref[_Use]) -> None:
            if entries.get(key) is ended:
                entries.pop(key, None)

        entries[key] = weakref.ref(use, forget)
        uses.append(use)


def _copied(place: Any) -> Any:
    """Return a copy of a buffer that its owner may write to; one in a file is a copy already."""
    if isinstance(place, _InFile):
        return place
    raw = place.raw()
    return pickle.PickleBuffer(bytes(raw) if raw.readonly else bytearray(raw))


def _owner(array: Any) -> Any:
    """Return the array that an array is a view of; another exporter of memory as it is."""
    while type(base := getattr(array, "base", None)).__name__ in ("ndarray", "memmap"):
        array = base
    return array
