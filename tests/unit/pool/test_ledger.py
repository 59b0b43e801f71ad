"""What the ledger makes of a death."""

from __future__ import annotations

from typing import Any

import pytest

from procession._engine.errors import Attempt, WorkerDied
from procession._engine.pool.calls import MapCall
from procession._engine.pool.ledger import Ledger, split_after_death
from procession._engine.pool.policy import Pace
from procession._engine.pool.steps import Chunk

DEATH = Attempt(4711, -9)


class TaskQueue:
    """As much of a queue as the ledger asks for."""

    def __init__(self) -> None:
        self.messages_put = 0
        self.messages_taken = 0
        self.claims: dict[int, tuple[int, int]] = {}

    def claimed(self, slot: int) -> tuple[int, int]:
        """The range taken last."""
        return self.claims.get(slot, (0, 0))

    def clear_claim(self, slot: int) -> None:
        """Forget it."""
        self.claims.pop(slot, None)


def call_of(size: int, retries: int = 1) -> MapCall:
    """Make a call over so many items."""
    return MapCall("map", "f", Pace(2, eager=False), retries, list(range(size)))


def chunk_of(
    call: MapCall, first: int, items: list[int], attempts: tuple[Attempt, ...] = ()
) -> Chunk:
    """Make a chunk of tasks of a call."""
    return Chunk(call, first, items, call.sink, attempts)


def spans(chunks: list[Chunk]) -> list[tuple[int, int, int]]:
    """Tell (first, size, attempts) of each chunk."""
    return [(chunk.first, len(chunk.items), len(chunk.attempts)) for chunk in chunks]


@pytest.mark.parametrize(
    ("delivered", "place", "expected"),
    [
        (0, -2, [(10, 6, 0)]),
        (0, -1, [(10, 6, 0)]),
        (0, 0, [(10, 1, 1), (11, 5, 0)]),
        (0, 2, [(10, 2, 0), (12, 1, 1), (13, 3, 0)]),
        (2, 2, [(12, 1, 1), (13, 3, 0)]),
        (3, 2, [(13, 3, 0)]),
        (2, 5, [(12, 3, 0), (15, 1, 1)]),
        (6, 5, []),
    ],
)
def test_chunk_is_split_at_the_place_of_death(
    delivered: int, place: int, expected: list[tuple[int, int, int]]
) -> None:
    """Tasks that ended are left out; the one at the place is blamed, and alone."""
    chunk = chunk_of(call_of(16), 10, [0, 1, 2, 3, 4, 5])
    chunk.delivered = delivered
    again, ended = split_after_death(chunk, place, DEATH)

    assert expected == spans(again)
    assert ended is None


def test_task_without_chances_left_ends() -> None:
    """With every attempt in the error."""
    chunk = chunk_of(call_of(16), 10, [0], (DEATH,))
    again, ended = split_after_death(chunk, 0, DEATH)

    assert again == []
    assert ended is not None
    assert ended[0] == 10
    assert isinstance(ended[1], WorkerDied)
    assert ended[1].attempts == (DEATH, DEATH)


def test_without_retries_the_first_death_ends_the_task() -> None:
    """And only that one."""
    again, ended = split_after_death(chunk_of(call_of(4, retries=0), 0, [0, 1]), 0, DEATH)

    assert spans(again) == [(1, 1, 0)]
    assert ended is not None


def test_retries_of_single_tasks_keep_their_attempts() -> None:
    """A task that was not running keeps what it was blamed for before."""
    chunk = chunk_of(call_of(4), 0, [0], (DEATH,))

    assert spans(split_after_death(chunk, -1, DEATH)[0]) == [(0, 1, 1)]


class TestHeldByDead:
    """Which ticket a dead worker held."""

    @pytest.fixture
    def queue(self) -> TaskQueue:
        """A queue of ten messages, five of them taken."""
        queue = TaskQueue()
        queue.messages_put, queue.messages_taken = 10, 5
        return queue

    def test_the_one_in_its_claim(self, queue: TaskQueue) -> None:
        """Taken, so held."""
        queue.claims[0] = (4, 1)

        assert Ledger(queue).held_by_dead(0, [1]) == 4

    def test_none_without_a_claim(self, queue: TaskQueue) -> None:
        """It never took anything."""
        assert Ledger(queue).held_by_dead(0, [1]) is None

    def test_none_when_only_announced(self, queue: TaskQueue) -> None:
        """The message is still in the queue."""
        queue.claims[0] = (5, 1)

        assert Ledger(queue).held_by_dead(0, [1]) is None

    def test_none_when_another_took_it(self, queue: TaskQueue) -> None:
        """It died between announcing and taking, and the other came after."""
        queue.claims[0] = (4, 1)
        queue.claims[1] = (4, 1)

        assert Ledger(queue).held_by_dead(0, [1]) is None


def test_tickets_are_the_numbers_of_messages() -> None:
    """And what could not be put is taken back."""
    queue: Any = TaskQueue()
    ledger = Ledger(queue)
    call = call_of(3)
    chunks = [Chunk(call, index, [index], call.sink) for index in range(3)]

    assert list(ledger.enter(chunks)) == [0, 1, 2]
    queue.messages_put = 1
    assert ledger.retract_unput() == chunks[1:]
    assert call.open == {0}
    assert list(ledger.enter(chunks[1:])) == [1, 2]
    assert ledger.leave(1) is chunks[1]
    assert ledger.chunk(1) is None
