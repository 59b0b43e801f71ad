"""Waiting at a log, at gates; it costs the others a look at a word while nobody waits.

BELL is written under the turn of producers only. Who finds nothing takes both turns, looks again,
shuts the gate, sets ASLEEP and then waits; a producer that sees it opens the gate *before* its
message is there and takes ASLEEP away *afterwards*: killed in between, it leaves a gate open that
should be shut, never the reverse. Who comes through such a gate finds nothing, and shuts it.
WATCHED, once set, stays: others look at the gate's descriptor, so it is open exactly while there
are messages. Takers shut it under both turns then. ROOM_BELL is the same with the ends exchanged,
and IDLE_BELL is for ``join``.
"""

from __future__ import annotations

from procession._engine.ipc.portable_records import (
    BELL,
    CUT_ABOVE,
    DONE,
    GETS,
    IDLE_BELL,
    LENGTH,
    PUTS,
    ROOM_BELL,
    Records,
)
from procession._engine.ipc.portable_turns import give_way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from procession._engine.ipc.portable_gate import Gate

__all__ = ["ASLEEP", "WATCHED", "Bells"]

ASLEEP: Final = 1
WATCHED: Final = 2

_LOOKS: Final = 20
"""So often a sleeper looks before it goes to sleep: about as long as to wake it would take."""


class Bells(Records):
    """A log's gates: for takers, for producers of a bounded one, and for ``join``."""

    _ready: Gate
    _room: Gate | None
    _idle: Gate | None
    _bound: int

    def wait_for_message(self, timeout: float | None) -> None:
        """Wait, at most ``timeout`` seconds, until there may be a message."""
        words = self._view[1]
        for _ in range(_LOOKS):
            if words[PUTS] >> 1 != words[GETS] >> 1:
                return
            give_way()
        with self._taking, self._putting:
            if words[PUTS] >> 1 != words[GETS] >> 1:
                return
            self._ready.shut()
            words[BELL] |= ASLEEP
        self._ready.wait(timeout)

    def wait_for_room(self, timeout: float | None) -> None:
        """Wait, at most ``timeout`` seconds, until there may be room."""
        words = self._view[1]
        for _ in range(_LOOKS):
            if (words[PUTS] >> 1) - (words[GETS] >> 1) < self._bound:
                return
            give_way()
        room = self.expect_room()
        if room is not None:
            room.wait(timeout)

    def expect_room(self) -> Gate | None:
        """A gate that opens when there is room; None for who never needs to wait."""
        with self._taking, self._putting:
            words = self._view[1]
            if self._room is None:
                pass
            elif (words[PUTS] >> 1) - (words[GETS] >> 1) < self._bound:
                self._room.open()
            else:
                self._room.shut()
                words[ROOM_BELL] = 1
        return self._room

    def wait_for_idle(self, timeout: float | None) -> None:
        """Wait, at most ``timeout`` seconds, until all tasks may be done."""
        with self._taking, self._putting:
            words = self._view[1]
            if words[DONE] == words[PUTS] >> 1 or self._idle is None:
                return
            self._idle.shut()
            words[IDLE_BELL] = 1
        self._idle.wait(timeout)

    def watch(self) -> Gate:
        """A gate that is open exactly while there are messages, from now on."""
        if not self._view[1][BELL] & WATCHED:
            with self._taking, self._putting:
                words = self._view[1]
                if words[PUTS] >> 1 == words[GETS] >> 1:
                    self._ready.shut()
                else:
                    self._ready.open()
                words[BELL] |= WATCHED
        return self._ready

    def _ring(self, bell: int, size: int) -> None:
        """Before the first of some messages is there, and with the turn to put."""
        if bell & ASLEEP or not size:
            self._ready.open()

    def _ring_room(self) -> None:
        """Before the first of some messages is gone, and with the turn to take."""
        if self._room is not None:
            self._room.open()

    def _tidy(self) -> None:
        """After a take, and with the turn to take: shut the gate, give back space."""
        words = self._view[1]
        if words[PUTS] >> 1 != words[GETS] >> 1:
            if self._outweighs():
                with self._putting:
                    self._compact()
        elif words[BELL] & WATCHED or words[LENGTH] > CUT_ABOVE:
            with self._putting:
                self._settle()

    def _settle(self) -> None:
        words = self._view[1]
        if words[PUTS] >> 1 != words[GETS] >> 1:
            return
        if words[BELL] & WATCHED:
            self._ready.shut()
        if words[LENGTH] > CUT_ABOVE:
            self._cut()
