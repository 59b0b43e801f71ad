"""Reading the input of an ``imap`` whose iterator may block.

A generator may wait for something that comes only when results are taken.  So who takes
results must not read it: a thread of its own does, ahead of the results, as far as the call
allows.  Lists and other sized input need no thread.

What was read lies in a queue that whoever feeds the pool empties, but for a grain that is not
complete.  The reader wakes them when it puts something to less than a grain: whoever waits has
taken all else before.  A quick input is read in bursts, each by one call of C; nobody can be
woken in the middle of one, so while ``bursting`` is set, who waits looks again now and then.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final, Protocol

    from procession._engine.pool.policy import Pace

    class _Bounded(Protocol):
        pace: Pace

        def bound(self) -> float: ...


__all__ = ["SourceReader"]

_END: Final = object()
_LONGEST_BURST: Final = 256
_QUICK_SECONDS: Final = 0.001
"""A burst that takes longer is followed by reading one by one."""


class SourceReader:
    """A thread that reads an iterator; ends with the input, or by ``stop``."""

    def __init__(self, call: _Bounded, source: Iterator[Any], wake: Callable[[], object]) -> None:
        self._call = call
        self._source = itertools.chain(source, (_END,))
        self._wake = wake
        self._read: deque[Any] = deque()
        self._taken = 0
        self._burst = 1
        self.bursting = False
        self._error: BaseException | None = None
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

    def has_ended(self) -> bool:
        """Whether nothing more will be read; what was read may still be there."""
        return self._ended

    def items_there(self) -> int:
        """How many items were read and not taken."""
        return len(self._read)

    def is_at_end(self) -> bool:
        """Whether nothing more will come."""
        return self._ended and not self._read

    def items(self) -> Iterator[Any]:
        """An iterator that gives what was read, and ends, for now, where nothing is there."""
        return _Items(self)

    def take(self) -> Any:
        """Take the next item.  Raises StopIteration when none is there, at the end its error.

        One thread at a time takes.
        """
        if not self._read:
            if self._ended and not self._read and self._error is not None:
                error, self._error = self._error, None
                raise error
            raise StopIteration
        self._taken += 1  # before the item goes, so that the reader never counts too few
        item = self._read[0]
        del self._read[0]  # no call, after which an interruption would lose it
        if item is _END:
            self._ended = True
            raise StopIteration
        return item

    def _run(self) -> None:
        try:
            while True:
                self._room.clear()  # before looking, or a stop between the two would be lost
                if self._ended:
                    break
                room = self._call.bound() - (self._taken + len(self._read))
                if room < 1:
                    self._room.wait()
                else:
                    self._read_burst(int(min(self._burst, room)))
        except BaseException as error:  # it is the last item of the input, SystemExit too
            self._error = error
            self._ended = True
            self._wake()

    def _read_burst(self, count: int) -> None:
        """Read so many items, each of them there for others as soon as it is read."""
        if count > 1:
            self.bursting = True
            if len(self._read) < self._call.pace.grain:
                self._wake()  # who waits must know that it has to look again
        begun = time.monotonic()
        self._read.extend(itertools.islice(self._source, count))
        quick = time.monotonic() - begun < _QUICK_SECONDS
        self._burst = min(2 * self._burst, _LONGEST_BURST) if quick else 1
        with suppress(IndexError):  # all was taken meanwhile, who took the end says so
            if self._read[-1] is _END:
                self._ended = True
        if len(self._read) - count < self._call.pace.grain:
            # What lay there before was taken, or is less than what goes together: who took it
            # may have gone to sleep.
            self._wake()
        self.bursting = False


class _Items:
    """See ``SourceReader.items``."""

    def __init__(self, reader: SourceReader) -> None:
        self._reader = reader

    def __iter__(self) -> _Items:
        return self

    def __next__(self) -> Any:
        return self._reader.take()
