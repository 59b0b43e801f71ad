"""The file of a queue: an append log with two ends.

    words 0-7     magic, maxsize, length of the file
    words 8-15    of those who put: PUTS, two TAILS, RESTART, BELL
    words 16-23   of those who take: GETS, two HEADS, ROOM_BELL, DONE, IDLE_BELL, TORN
    words 32-543  claims: 256 pairs (first message, count)
    BASE          records, from the head to the tail: a word, the message's length, and its bytes

Why a file: a message must be safe when ``put`` returns, however many there are and whoever reads
them. A pipe holds 64 KiB and then makes its writer wait, which is why the standard library needs
a thread behind each queue, loses messages when a process ends, and can deadlock when one joins
before draining.

Each end has a turn (see ``portable_turns``), so who puts and who takes do not meet. Who needs
both takes that of the takers first.

PUTS is ``messages put << 1 | slot``, and TAILS[slot] is where the next record goes; GETS and
HEADS are the same for takers. A put writes its record behind the tail and the new tail into the
other slot; then it stores PUTS, and that store is the moment at which it has happened. A take
copies, writes the head behind what it copied into the other slot, and stores GETS. A process
killed before the store has done nothing; killed after it, everything. Every other word is one
fact by itself.

A producer that finds all taken and is far from BASE begins again there, where nobody reads: it
writes the number of its message into RESTART, and the record of that number is at BASE, whatever
the head is. (Killed before PUTS, it leaves an empty queue and so the same decision to the next.)
In a queue that is never empty the rest is copied to the front, by who has both turns, once what
was taken outweighs it. While the copy is known to takers, and the new tail not yet to producers,
a jump, JUMP + the old tail, stands behind the copy in place of a record's length.
"""

from __future__ import annotations

import errno
import sys

from procession._engine.ipc.portable_memory import DAMAGED, WORD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from procession._engine.ipc.portable_memory import MappedFile, Mapping
    from procession._engine.ipc.portable_turns import Turns

CLAIMS: Final = 256
"""How many claims a queue has: numbers 0 to 255."""

MAGIC: Final = int.from_bytes(b"psn-log2", "little")

# Numbers of words.
MAXSIZE: Final = 1
LENGTH: Final = 2
"""The file has at least so many bytes.  Made more by producers after it has grown, and less by
who has both turns before it is cut."""
PUTS: Final = 8
TAILS: Final = 9
RESTART: Final = 11
BELL: Final = 12
GETS: Final = 16
HEADS: Final = 17
ROOM_BELL: Final = 19
DONE: Final = 20
IDLE_BELL: Final = 21
TORN: Final = 22
"""1 while the rest is copied to the front, and after a kill meanwhile: it may be in two parts."""
CLAIMS_AT: Final = 32

BASE: Final = (CLAIMS_AT + 2 * CLAIMS) * WORD
JUMP: Final = 1 << 63

SMALLEST: Final = 1 << 14
LARGEST_STEP: Final = 1 << 20
RESTART_ABOVE: Final = BASE + (1 << 13)  # so that a stream without a backlog stays in the cache
BY_CALL_ABOVE: Final = 1 << 17  # longer messages go by system calls, see ``portable_memory``
CUT_ABOVE: Final = 1 << 22
COMPACT_ABOVE: Final = 1 << 24
COPY_BYTES: Final = 1 << 20


class Records:
    """The file, the turns, and what is done with the one by who has the other."""

    def __init__(self, memory: MappedFile, turns: Turns) -> None:
        self._memory = memory
        self._turns = turns
        self._taking, self._putting = turns.all
        self._view = memory.map(SMALLEST)
        """Replaced as one, since both ends may find it too short at the same time."""

    def _checked(self) -> memoryview:
        """The words of a file that is a queue's."""
        words = self._view[1]
        if words[0] != MAGIC:
            raise OSError(
                "this is no queue of this version of procession (its file begins with"
                f" {words[0].to_bytes(8, 'little')!r}, expected {MAGIC.to_bytes(8, 'little')!r}):"
                " all processes must use the same version"
            )
        return words

    def _see(self, end: int) -> Mapping:
        """A mapping that reaches to ``end``, which is in the file."""
        view = self._view
        if end > view[2]:
            view = self._view = self._memory.map(view[1][LENGTH])
        if end > view[2]:
            raise OSError(errno.EIO, f"a queue's file has no byte {end}: {DAMAGED}")
        return view

    def _write(self, message: bytes, start: int) -> int:
        """Write a record; returns where the next one goes."""
        words = self._checked()
        length = len(message)
        place = start + WORD
        tail = place + (length + 7 & -8)
        if length > BY_CALL_ABOVE and sys.platform != "win32":
            self._memory.write(message, place)
            if tail >= words[LENGTH]:
                self._lengthen(place + length, tail + WORD)
            self._see(place)[1][start >> 3] = length
            return tail
        if tail >= words[LENGTH]:
            self._lengthen(words[LENGTH], tail + WORD)
        data, words, _ = self._see(tail)
        words[start >> 3] = length
        data[place : place + length] = message
        return tail

    def _lengthen(self, filled: int, least: int) -> None:
        """Make the file longer, of which ``filled`` bytes are written to."""
        words = self._view[1]
        length = words[LENGTH]
        longer = max(least, min(2 * length, length + LARGEST_STEP))
        self._memory.extend(filled, longer)
        words[LENGTH] = longer

    def _follow(self, start: int) -> tuple[int, int]:
        """Where the record at ``start`` really is, and its length."""
        while (length := self._see(start + WORD)[1][start >> 3]) >= JUMP:
            start = length - JUMP
        return start, length

    def _read(self, start: int, length: int) -> bytes:
        """A record's message."""
        self._checked()
        place = start + WORD
        if length > BY_CALL_ABOVE and sys.platform != "win32":
            return self._memory.read(length, place)
        message: bytes = self._see(place + length)[0][place : place + length]
        return message

    def _cut(self) -> None:
        """With both turns, and without messages: give back what a backlog has left."""
        words = self._view[1]
        puts = words[PUTS]
        if words[TAILS + (puts & 1)] > RESTART_ABOVE:
            words[RESTART], words[TORN] = puts >> 1, 0
            words[TAILS + 1 - (puts & 1)] = BASE
            words[PUTS] = puts ^ 1
        words[LENGTH] = SMALLEST
        self._memory.truncate(SMALLEST)

    def _outweighs(self) -> bool:
        """With the turn to take: whether what was taken is much, and more than the rest."""
        words = self._view[1]
        gets, puts = words[GETS], words[PUTS]
        head, tail = words[HEADS + (gets & 1)], words[TAILS + (puts & 1)]
        return (
            head > COMPACT_ABOVE
            and tail - head <= head - BASE - WORD
            and words[RESTART] != gets >> 1
            and not words[TORN]
        )

    def _compact(self) -> None:
        """With both turns, and where what was taken outweighs it: copy the rest to the front."""
        words = self._view[1]
        puts, gets = words[PUTS], words[GETS]
        head, tail = words[HEADS + (gets & 1)], words[TAILS + (puts & 1)]
        data, words, _ = self._see(tail)
        end = BASE + tail - head
        for place in range(BASE, end, COPY_BYTES):
            until = min(place + COPY_BYTES, end)
            data[place:until] = data[head + place - BASE : head + until - BASE]
        words[end >> 3] = JUMP + tail
        words[TORN] = 1
        words[RESTART] = gets >> 1
        words[TAILS + 1 - (puts & 1)] = end
        words[PUTS] = puts ^ 1
        words[TORN] = 0
        words[LENGTH] = max(SMALLEST, end + WORD)
        self._memory.truncate(words[LENGTH])
