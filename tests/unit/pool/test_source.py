"""Who reads the input of an iterator."""

from __future__ import annotations

from typing import Any

from procession._engine.pool.policy import Pace
from procession._engine.pool.source import SourceReader
from tests.waiting import HANG_GUARD_SECONDS


class _Full:
    """A call without room for input."""

    pace = Pace(1, eager=True)

    def bound(self) -> float:
        return 0


def test_reader_that_is_stopped_at_any_step_ends() -> None:
    """Also just before it forgets what it was told of room."""
    reader = SourceReader(_Full(), iter([1]), lambda: None)
    room: Any = reader._room
    forget = room.clear

    def be_stopped_and_forget() -> None:
        reader.stop()
        forget()

    room.clear = be_stopped_and_forget
    reader.start()
    reader._thread.join(HANG_GUARD_SECONDS)
    assert not reader._thread.is_alive()
