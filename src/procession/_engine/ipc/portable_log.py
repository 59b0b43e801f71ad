"""A queue's messages in a shared file: an append log with a small header.

    offset 0      header: magic, version, maxsize, head, tail, put, taken, unfinished
    offset 64     claims: 256 pairs (first message, count)
    offset 4160   messages, each a length (8 bytes) and its bytes; from ``head`` to ``tail``

Why a file: a message must be safe when ``put`` returns, however many there are and whoever
reads them.  A pipe holds 64 KiB and then makes its writer wait, which is why the standard
library needs a thread behind each queue, loses messages when a process ends, and can deadlock
when one joins before draining.  A file takes all, at once, in the caller.

All is done under the file's lock.  A message is written behind ``tail`` first and the header
after it, by one write of 64 bytes: that write is the moment at which a put or a get has
happened.  A process killed before it has done nothing; killed after it, everything.  Gates
(see ``portable_gate``) are opened before that moment and shut after it.

Space is given back when the queue is empty (the file is cut) and, in a queue that never is, when
what was taken outweighs what is left: then the rest is copied to the front.  The copy never
overlaps its source, so a process killed while it copies leaves a log that is whole.
"""

from __future__ import annotations

import struct

from procession._engine.ipc.portable_file import SharedFile
from procession._engine.ipc.portable_gate import Gate
from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

__all__ = ["CLAIMS", "MessageLog"]

CLAIMS: Final = 256
"""How many claims a queue has: numbers 0 to 255."""

_MAGIC: Final = b"psn-log\0"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8s7Q")
_CLAIM: Final = struct.Struct("<2Q")
_LENGTH: Final = struct.Struct("<Q")
_CLAIMS_AT: Final = _HEADER.size
_BASE: Final = _CLAIMS_AT + CLAIMS * _CLAIM.size
_READ_AHEAD: Final = 1 << 16
_READ_AHEAD_PER_MESSAGE: Final = 1 << 10
_JOIN_BELOW: Final = 1 << 16  # smaller messages are copied together and written at once
_COMPACT_ABOVE: Final = 1 << 24
_COPY_BYTES: Final = 1 << 20


class _Header(NamedTuple):
    """The committed state; ``put - taken`` messages lie from ``head`` to ``tail``."""

    maxsize: int
    head: int
    tail: int
    put: int
    taken: int
    unfinished: int

    @property
    def size(self) -> int:
        return self.put - self.taken

    @property
    def room(self) -> int:
        """How many messages may be put; unbounded queues have more than anyone needs."""
        return self.maxsize - self.size if self.maxsize else 2**62

    @property
    def full(self) -> bool:
        return self.room <= 0


class MessageLog:
    """The messages and counters of one queue; methods try once and never wait.

    ``ready`` is open while there are messages, ``room`` (None when unbounded) while there is
    room, ``idle`` (None unless ``counts_tasks``) while no task is unfinished.
    """

    def __init__(self, maxsize: int = 0, *, counts_tasks: bool = False) -> None:
        self._file = SharedFile()
        self.ready = Gate()
        self.room = Gate() if maxsize else None
        self.idle = Gate() if counts_tasks else None
        with self._file:
            self._commit(_Header(maxsize, _BASE, _BASE, 0, 0, 0))
            self._file.truncate(_BASE)
        for gate in (self.room, self.idle):
            if gate is not None:
                gate.open()

    def __setstate__(self, state: dict[str, object]) -> None:
        """Attach to the log of another process; raises OSError when it is none."""
        self.__dict__.update(state)
        self.header()

    def header(self) -> _Header:
        """The state at this moment."""
        with self._file:
            return self._read_header()

    def append(self, messages: Sequence[bytes], *, all_or_none: bool = False) -> tuple[int, int]:
        """Put as many messages as there is room for: (index of the first, how many).

        With ``all_or_none``, none is put where there is not room for all.
        """
        with self._file:
            header = self._read_header()
            count = min(len(messages), header.room)
            if count == 0 or (all_or_none and count < len(messages)):
                if self.room is not None and header.full:
                    self.room.shut()
                return header.put, 0
            maxsize, head, tail, put, taken, unfinished = header
            tail = self._write_messages(messages[:count], tail)
            changed = _Header(maxsize, head, tail, put + count, taken, unfinished + count)
            if put == taken:
                self.ready.open()
            self._commit(changed)
            if self.room is not None and changed.full:
                self.room.shut()
            if self.idle is not None and unfinished == 0:
                self.idle.shut()
            return put, count

    def take(self, max_items: int, claim: int | None = None) -> list[bytes]:
        """Take at most ``max_items`` messages that are there; an empty list where none is."""
        with self._file:
            header = self._read_header()
            if header.size == 0:
                self.ready.shut()
                return []
            messages, head = self._read_messages(header, min(max_items, header.size))
            if claim is not None:
                self._write_claim(claim, header.taken, len(messages))
            maxsize, _, tail, put, taken, unfinished = header
            changed = _Header(maxsize, head, tail, put, taken + len(messages), unfinished)
            if self.room is not None and header.full:
                self.room.open()
            self._settle(changed)
            if changed.size == 0:
                self.ready.shut()
            return messages

    def finish_task(self) -> bool:
        """Count one task as done; False when none was unfinished."""
        with self._file:
            header = self._read_header()
            if header.unfinished == 0:
                return False
            if self.idle is not None and header.unfinished == 1:
                self.idle.open()
            self._commit(header._replace(unfinished=header.unfinished - 1))
            return True

    def all_finished(self) -> bool:
        """Whether no task is unfinished; shuts a gate that says so wrongly."""
        with self._file:
            finished = self._read_header().unfinished == 0
            if self.idle is not None and not finished:
                self.idle.shut()
            return finished

    def empty(self) -> bool:
        """Whether there is no message; shuts a gate that says otherwise."""
        with self._file:
            empty = self._read_header().size == 0
            if empty:
                self.ready.shut()
            return empty

    def read_claim(self, claim: int) -> tuple[int, int]:
        """(first message, count) of what was last taken under this claim."""
        with self._file:
            first, count = _CLAIM.unpack(self._file.read(_CLAIM.size, _claim_offset(claim)))
            return first, count

    def clear_claim(self, claim: int) -> None:
        """Forget what was taken under this claim."""
        with self._file:
            self._write_claim(claim, 0, 0)

    def close(self) -> None:
        """Close this process's descriptors, once none of its threads is at work here."""
        with self._file:
            for gate in (self.ready, self.room, self.idle):
                if gate is not None:
                    gate.close()
        self._file.close()

    def _read_header(self) -> _Header:
        magic, version, *fields = _HEADER.unpack(self._file.read(_HEADER.size, 0))
        if magic != _MAGIC or version != _VERSION:
            raise OSError(
                f"this is no queue of this version of procession (its file begins with"
                f" {magic!r}, version {version}, expected {_MAGIC!r}, version {_VERSION}):"
                " all processes must use the same version"
            )
        return _Header(*fields)

    def _commit(self, header: _Header) -> None:
        self._file.write(_HEADER.pack(_MAGIC, _VERSION, *header), 0)

    def _write_claim(self, claim: int, first: int, count: int) -> None:
        self._file.write(_CLAIM.pack(first, count), _claim_offset(claim))

    def _write_messages(self, messages: Sequence[bytes], offset: int) -> int:
        """Write behind the tail; returns where the tail then is."""
        small: list[bytes] = []
        start = offset
        for message in messages:
            small.append(_LENGTH.pack(len(message)))
            offset += _LENGTH.size
            if len(message) < _JOIN_BELOW:
                small.append(message)
            else:
                self._file.write(b"".join(small), start)
                self._file.write(message, offset)
                small.clear()
                start = offset + len(message)
            offset += len(message)
        if small:
            self._file.write(b"".join(small), start)
        return offset

    def _read_messages(self, header: _Header, count: int) -> tuple[list[bytes], int]:
        """``count`` messages from the head on, and where the head then is."""
        messages: list[bytes] = []
        most = min(_READ_AHEAD, _READ_AHEAD_PER_MESSAGE * count)
        head = header.head
        ahead, ahead_at = b"", head
        for _ in range(count):
            start = head - ahead_at
            if start + _LENGTH.size > len(ahead):
                ahead = self._file.read(min(most, header.tail - head), head)
                ahead_at, start = head, 0
            (length,) = _LENGTH.unpack_from(ahead, start)
            start += _LENGTH.size
            head += _LENGTH.size + length
            if start + length <= len(ahead):
                messages.append(ahead[start : start + length])
            else:
                messages.append(self._file.read(length, head - length))
                ahead, ahead_at = b"", head
        return messages, head

    def _settle(self, header: _Header) -> None:
        """Commit, and give back space where it is time to."""
        live = header.tail - header.head
        if live == 0:
            maxsize, _, _, put, taken, unfinished = header
            self._commit(_Header(maxsize, _BASE, _BASE, put, taken, unfinished))
            if header.tail > _BASE + _READ_AHEAD:
                self._file.truncate(_BASE)
            return
        self._commit(header)
        dead = header.head - _BASE
        if dead > _COMPACT_ABOVE and dead >= live:
            for offset in range(0, live, _COPY_BYTES):
                part = self._file.read(min(_COPY_BYTES, live - offset), header.head + offset)
                self._file.write(part, _BASE + offset)
            self._commit(header._replace(head=_BASE, tail=_BASE + live))
            self._file.truncate(_BASE + live)


def _claim_offset(claim: int) -> int:
    if not 0 <= claim < CLAIMS:
        raise ValueError(f"claim {claim} does not exist: claims are numbered 0 to {CLAIMS - 1}")
    return _CLAIMS_AT + claim * _CLAIM.size
