"""A queue's messages and counters: what is put and taken, one or many at a time.

How they lie in the file, and why a process may be killed at any instruction, stands in
``portable_records``; how one waits for them in ``portable_bells``.

``put_one`` and ``take_one`` are what a program does a million times: each is written out in one
piece, where the forms for many are made of smaller ones. Where SIGINT runs code of the program,
which may use the queue, they are left to those, which hold it back.
"""

from __future__ import annotations

import sys

from procession._engine.ipc.interruptions import runs_code
from procession._engine.ipc.portable_bells import WATCHED, Bells
from procession._engine.ipc.portable_gate import Gate
from procession._engine.ipc.portable_memory import WEAK, WORD, MappedFile, fence
from procession._engine.ipc.portable_records import (
    BASE,
    BELL,
    BY_CALL_ABOVE,
    CLAIMS,
    CLAIMS_AT,
    COMPACT_ABOVE,
    CUT_ABOVE,
    DONE,
    GETS,
    HEADS,
    IDLE_BELL,
    JUMP,
    LENGTH,
    MAGIC,
    MAXSIZE,
    PUTS,
    RESTART,
    RESTART_ABOVE,
    ROOM_BELL,
    SMALLEST,
    TAILS,
    TORN,
    Records,
)
from procession._engine.ipc.portable_turns import Turns, ask
from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    _Gates = tuple[Gate, Gate | None, Gate | None]

__all__ = ["CLAIMS", "MessageLog"]


class _Header(NamedTuple):
    """The counters at one moment."""

    maxsize: int
    put: int
    taken: int
    unfinished: int


class MessageLog(Bells):
    """One queue's log; what is not called ``wait_`` tries once and never waits for a message."""

    def __init__(self, maxsize: int = 0, *, counts_tasks: bool = False) -> None:
        memory = MappedFile(SMALLEST)
        words = memory.map(SMALLEST)[1]
        words[MAXSIZE], words[LENGTH] = maxsize, SMALLEST
        words[TAILS] = words[HEADS] = BASE
        words[0] = MAGIC
        room = Gate() if maxsize else None
        self._attach(memory, Turns(2), (Gate(), room, Gate() if counts_tasks else None))

    def _attach(self, memory: MappedFile, turns: Turns, gates: _Gates) -> None:
        Records.__init__(self, memory, turns)
        self._gates = gates
        self._ready, self._room, self._idle = gates
        self._bound = self._checked()[MAXSIZE] or 2**62

    def __getstate__(self) -> tuple[MappedFile, Turns, _Gates]:
        """All that another process needs to attach."""
        return self._memory, self._turns, self._gates

    def __setstate__(self, state: tuple[MappedFile, Turns, _Gates]) -> None:
        """Attach to the log of another process; raises OSError when it is none."""
        self._attach(*state)

    def close(self) -> None:
        """Close this process's descriptors, once none of its threads is at work here."""
        with self._taking.lock.mutex, self._putting.lock.mutex:
            for gate in self._gates:
                if gate is not None:
                    gate.close()
            self._memory.close(self._view)
        self._turns.close()

    # --- one message

    def put_one(self, message: bytes) -> bool:
        """Put a message; False where there is no room for it."""
        if runs_code():
            return self.append((message,))[1] == 1
        turn = self._putting
        with turn.lock.mutex:
            try:
                try:
                    ask(*turn.seize)
                except OSError as error:
                    turn.wait(error)
                data, words, mapped = self._view
                puts = words[PUTS]
                size = (puts >> 1) - (words[GETS] >> 1)
                if size >= self._bound:
                    return False
                slot = puts & 1
                start = words[TAILS + slot]
                if start > RESTART_ABOVE and not size:
                    words[RESTART], words[TORN], start = puts >> 1, 0, BASE
                length = len(message)
                place = start + WORD
                tail = place + (length + 7 & -8)
                if (
                    tail < mapped
                    and tail < words[LENGTH]
                    and length <= BY_CALL_ABOVE
                    and words[0] == MAGIC
                ):
                    words[start >> 3] = length
                    data[place : place + length] = message
                else:
                    tail = self._write(message, start)
                if WEAK:
                    fence()
                words[TAILS + 1 - slot] = tail
                bell = words[BELL]
                if bell:
                    self._ring(bell, size)
                words[PUTS] = puts + 2 ^ 1
                if bell:
                    words[BELL] = bell & WATCHED
            finally:
                ask(*turn.leave)
        if turn.guard.retired:
            turn.guard.close_retired()
        return True

    def take_one(self, claim: int | None = None) -> bytes | None:  # noqa: C901, PLR0912  # in one piece, see above
        """Take a message; None where there is none."""
        if runs_code():
            return self._take_by_many(claim)
        claim_word = -1 if claim is None else _claim_word(claim)
        turn = self._taking
        with turn.lock.mutex:
            try:
                try:
                    ask(*turn.seize)
                except OSError as error:
                    turn.wait(error)
                data, words, mapped = self._view
                gets = words[GETS]
                puts = words[PUTS]
                if gets >> 1 == puts >> 1:
                    return None
                if WEAK:
                    fence()
                slot = gets & 1
                start = words[HEADS + slot] if words[RESTART] != gets >> 1 else BASE
                if start >= mapped or (length := words[start >> 3]) >= JUMP:
                    start, length = self._follow(start)
                place = start + WORD
                head = place + (length + 7 & -8)
                if head <= mapped and length <= BY_CALL_ABOVE and words[0] == MAGIC:
                    message: bytes = data[place : place + length]
                else:
                    message = self._read(start, length)
                if claim_word >= 0:
                    self._write_claim(claim_word, gets >> 1, 1)
                if WEAK:
                    fence()
                words[HEADS + 1 - slot] = head
                room_bell = words[ROOM_BELL]
                if room_bell:
                    self._ring_room()
                words[GETS] = gets + 2 ^ 1
                if room_bell:
                    words[ROOM_BELL] = 0
                if head > COMPACT_ABOVE or (
                    gets + 2 >> 1 == puts >> 1
                    and (words[BELL] >= WATCHED or words[LENGTH] > CUT_ABOVE)
                ):
                    self._tidy()
            finally:
                ask(*turn.leave)
        if turn.guard.retired:
            turn.guard.close_retired()
        return message

    if sys.platform == "win32":  # see ``portable_turns``

        def put_one(self, message: bytes) -> bool:
            """Put a message; False where there is no room for it."""
            return self.append((message,))[1] == 1

        def take_one(self, claim: int | None = None) -> bytes | None:
            """Take a message; None where there is none."""
            return self._take_by_many(claim)

    def _take_by_many(self, claim: int | None) -> bytes | None:
        messages = self.take(1, claim)
        return messages[0] if messages else None

    # --- many

    def append(self, messages: Sequence[bytes], *, all_or_none: bool = False) -> tuple[int, int]:
        """Put as many messages as there is room for: (index of the first, how many).

        With ``all_or_none``, none is put where there is not room for all.
        """
        with self._putting:
            words = self._checked()
            puts = words[PUTS]
            size = (puts >> 1) - (words[GETS] >> 1)
            count = min(len(messages), self._bound - size)
            if count <= 0 or (all_or_none and count < len(messages)):
                return puts >> 1, 0
            tail = words[TAILS + (puts & 1)]
            if tail > RESTART_ABOVE and not size:
                words[RESTART], words[TORN], tail = puts >> 1, 0, BASE
            for message in messages[:count]:
                tail = self._write(message, tail)
            if WEAK:
                fence()
            words[TAILS + 1 - (puts & 1)] = tail
            bell = words[BELL]
            if bell:
                self._ring(bell, size)
            words[PUTS] = puts + 2 * count ^ 1
            if bell:
                words[BELL] = bell & WATCHED
            return puts >> 1, count

    def take(self, most: int, claim: int | None = None) -> list[bytes]:
        """Take at most ``most`` messages that are there; an empty list where none is."""
        place = None if claim is None else _claim_word(claim)
        with self._taking:
            words = self._checked()
            gets = words[GETS]
            count = min(most, (words[PUTS] >> 1) - (gets >> 1))
            if count == 0:
                self._tidy()
                return []
            if WEAK:
                fence()
            head = words[HEADS + (gets & 1)] if words[RESTART] != gets >> 1 else BASE
            messages = []
            for _ in range(count):
                start, length = self._follow(head)
                messages.append(self._read(start, length))
                head = start + WORD + (length + 7 & -8)
            if place is not None:
                self._write_claim(place, gets >> 1, count)
            if WEAK:
                fence()
            words[HEADS + 1 - (gets & 1)] = head
            room_bell = words[ROOM_BELL]
            if room_bell:
                self._ring_room()
            words[GETS] = gets + 2 * count ^ 1
            if room_bell:
                words[ROOM_BELL] = 0
            self._tidy()
            return messages

    def read_claim(self, claim: int) -> tuple[int, int]:
        """(first message, count) of what was last taken under this claim."""
        place = _claim_word(claim)
        with self._taking:
            return self._view[1][place], self._view[1][place + 1]

    def clear_claim(self, claim: int) -> None:
        """Forget what was taken under this claim."""
        place = _claim_word(claim)
        with self._taking:
            self._write_claim(place, 0, 0)

    def _write_claim(self, place: int, first: int, count: int) -> None:
        words = self._view[1]
        words[place + 1] = 0  # killed in between, it says: nothing
        words[place] = first
        words[place + 1] = count

    # --- counters

    def header(self) -> _Header:
        """The counters at this moment."""
        with self._taking, self._putting:
            words = self._checked()
            put = words[PUTS] >> 1
            return _Header(words[MAXSIZE], put, words[GETS] >> 1, put - words[DONE])

    def size(self) -> int:
        """How many messages there are at this moment."""
        words = self._view[1]
        while True:
            gets = words[GETS]
            if WEAK:
                fence()
            puts = words[PUTS]
            if WEAK:
                fence()
            if words[GETS] == gets:
                return (puts >> 1) - (gets >> 1)

    def empty(self) -> bool:
        """Whether there is no message; shuts a gate that says otherwise."""
        if self.size():
            return False
        if self._view[1][BELL] & WATCHED:
            with self._taking:
                self._tidy()
            return not self.size()
        return True

    def full(self) -> bool:
        """Whether there is no room at this moment."""
        return self.size() >= self._bound

    def finish_task(self) -> bool:
        """Count one task as done; False when none was unfinished."""
        with self._taking:
            words = self._view[1]
            done, put = words[DONE] + 1, words[PUTS] >> 1
            if done > put:
                return False
            bell = words[IDLE_BELL] if done == put else 0
            if bell and self._idle is not None:
                self._idle.open()
            words[DONE] = done
            if bell:
                words[IDLE_BELL] = 0
            return True

    def all_finished(self) -> bool:
        """Whether no task is unfinished at this moment."""
        done = self._view[1][DONE]
        if WEAK:
            fence()
        return done == self._view[1][PUTS] >> 1


def _claim_word(claim: int) -> int:
    if not 0 <= claim < CLAIMS:
        raise ValueError(f"claim {claim} does not exist: claims are numbered 0 to {CLAIMS - 1}")
    return CLAIMS_AT + 2 * claim
