"""Reading the input of an ``imap`` whose iterator may block.

A generator may wait for something that comes only when results are taken.  So who takes
results must not read it: a thread of its own does, ahead of the results, as far as the call
allows.  Lists and other sized input need no thread.

What was read lies in a queue that whoever feeds the pool empties.  The reader wakes them
when it puts something into the empty queue: whoever waits has emptied it before.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["SourceReader"]


class _Bounded(Protocol):
    def bound(self) -> float: ...


class SourceReader:
    """A thread that reads an iterator; ends with the input, or by ``stop``."""

    def __init__(self, call: _Bounded, source: Iterator[Any], wake: Callable[[], object]) -> None:
        self._call = call
        self._source = source
        self._wake = wake
        self._read: deque[Any] = deque()
        self._count = 0
        self._error: Exception | None = None
        self._ended = False
        self._room = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="procession-pool-source", daemon=True
        )

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def resume(self) -> None:
        """Look again how far may be read."""
        if not self._room.is_set():
            self._room.set()

    def stop(self) -> None:
        """Read nothing more; may be called from anywhere, also from a finalizer."""
        self._ended = True
        self._room.set()

    def is_at_end(self) -> bool:
        """Whether nothing more will come."""
        return self._ended and not self._read

    def items(self) -> Iterator[Any]:
        """An iterator that gives what was read, and ends, for now, where nothing is there."""
        return _Items(self)

    def take(self) -> Any:
        """Take the next item.  Raises StopIteration when none is there, at the end its error."""
        try:
            return self._read.popleft()
        except IndexError:
            pass
        if self._ended and not self._read and self._error is not None:
            error, self._error = self._error, None
            raise error
        raise StopIteration

    def _run(self) -> None:
        try:
            while not self._ended:
                self._room.clear()
                if self._count >= self._call.bound():
                    self._room.wait()
                    continue
                item = next(self._source)
                self._count += 1
                was_empty = not self._read
                self._read.append(item)
                if was_empty:
                    self._wake()
        except StopIteration:
            pass
        except Exception as error:  # it is the last item of the input
            self._error = error
        self._ended = True
        self._wake()


class _Items:
    """See ``SourceReader.items``."""

    def __init__(self, reader: SourceReader) -> None:
        self._reader = reader

    def __iter__(self) -> _Items:
        return self

    def __next__(self) -> Any:
        return self._reader.take()
