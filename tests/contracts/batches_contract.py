"""What put_many, get_many and claims promise, on Queue and JoinableQueue alike."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from tests.contracts.objects import BORDERS, Unloadable, Unpicklable
from tests.waiting import HANG_GUARD_SECONDS


class BatchesContract:
    """Instantiate with ``kind``: the name of the context's factory."""

    kind = ""

    def make(self, context: BaseContext, maxsize: int = 0) -> Any:
        """A queue of the kind at hand."""
        return getattr(context, self.kind)(maxsize)

    @pytest.fixture
    def a_queue(self, any_context: BaseContext) -> Iterator[Any]:
        """An unbounded queue in this process."""
        made = self.make(any_context)
        yield made
        made.close()

    def test_put_many_numbers_the_messages(self, a_queue: Any) -> None:
        """put_many returns the index of its first message, counted from the queue's beginning."""
        assert a_queue.put_many(["a", "b"]) == 0
        a_queue.put("c")
        assert a_queue.put_many(range(5)) == 3
        assert a_queue.messages_put == 8
        assert [a_queue.get() for _ in range(8)] == ["a", "b", "c", 0, 1, 2, 3, 4]
        assert a_queue.messages_taken == 8

    def test_put_many_of_nothing_puts_nothing(self, a_queue: Any) -> None:
        """An empty sequence is put at once."""
        a_queue.put_many([])
        assert a_queue.qsize() == 0

    def test_put_many_pickles_all_before_it_puts(self, a_queue: Any) -> None:
        """One object that cannot be pickled raises before anything is put."""
        with pytest.raises(RuntimeError):
            a_queue.put_many([1, 2, Unpicklable()])
        assert a_queue.qsize() == 0

    def test_put_many_says_how_many_found_room(self, any_context: BaseContext) -> None:
        """Full has the number of messages that were put."""
        bounded = self.make(any_context, 3)
        with pytest.raises(queue.Full) as full:
            bounded.put_many(range(5), timeout=0.01)
        assert full.value.put == 3  # type: ignore[attr-defined]
        assert bounded.get_many(10) == [0, 1, 2]

    def test_put_many_waits_for_room(self, any_context: BaseContext) -> None:
        """More messages than a bounded queue holds pass through while somebody takes them."""
        bounded = self.make(any_context, 3)
        putter = threading.Thread(target=bounded.put_many, args=(range(100),))
        putter.start()
        assert [bounded.get(timeout=30) for _ in range(100)] == list(range(100))
        putter.join(HANG_GUARD_SECONDS)

    def test_get_many_takes_what_is_there(self, a_queue: Any) -> None:
        """get_many takes at most so many, at least one, and never waits for more."""
        a_queue.put_many(range(5))
        assert a_queue.get_many(3) == [0, 1, 2]
        assert a_queue.get_many(3) == [3, 4]
        with pytest.raises(queue.Empty):
            a_queue.get_many(3, block=False)
        with pytest.raises(queue.Empty):
            a_queue.get_many(3, timeout=0.01)

    @pytest.mark.parametrize("max_items", [0, -1])
    def test_get_many_of_nothing_is_refused(self, a_queue: Any, max_items: int) -> None:
        """Asking for no message is a ValueError."""
        with pytest.raises(ValueError, match=r"get_many\(\)"):
            a_queue.get_many(max_items)

    def test_get_many_loses_nothing_around_an_unloadable_message(self, a_queue: Any) -> None:
        """Those before it come first, then its exception, then those after it."""
        a_queue.put_many([1, 2, Unloadable(), 3, 4])
        assert a_queue.get_many(10) == [1, 2]
        assert not a_queue.empty()
        with pytest.raises(RuntimeError, match="will not be unpickled"):
            a_queue.get_many(10)
        rest: list[Any] = []
        while len(rest) < 2:
            rest += a_queue.get_many(10, block=False)
        assert rest == [3, 4]
        a_queue.put_many([Unloadable(), 5])
        with pytest.raises(RuntimeError, match="will not be unpickled"):
            a_queue.get_many(10)
        assert a_queue.get_nowait() == 5
        assert a_queue.empty()

    def test_get_many_of_all_sizes(self, a_queue: Any) -> None:
        """Small and large messages come together."""
        a_queue.put_many([b"x" * size for size in BORDERS])
        got: list[bytes] = []
        while len(got) < len(BORDERS):
            got += a_queue.get_many(1_000, timeout=5)
        assert [len(each) for each in got] == BORDERS

    def test_a_claim_tells_what_was_taken(self, a_queue: Any) -> None:
        """get_many(claim=n) records the range of messages under n until it is cleared."""
        assert a_queue.claimed(7) == (0, 0)
        a_queue.put_many("abcdef")
        a_queue.get()
        assert a_queue.get_many(3, claim=7) == ["b", "c", "d"]
        assert a_queue.claimed(7) == (1, 3)
        assert a_queue.get_many(9, claim=255) == ["e", "f"]
        assert a_queue.claimed(255) == (4, 2)
        assert a_queue.claimed(7) == (1, 3)
        a_queue.clear_claim(7)
        assert a_queue.claimed(7)[1] == 0

    @pytest.mark.parametrize("claim", [-1, 256])
    def test_a_claim_that_does_not_exist_is_refused(self, a_queue: Any, claim: int) -> None:
        """Claims are numbered 0 to 255; a wrong number takes nothing."""
        a_queue.put(1)
        with pytest.raises(ValueError, match="claim"):
            a_queue.get_many(1, claim=claim)
        with pytest.raises(ValueError, match="claim"):
            a_queue.claimed(claim)
        assert a_queue.get() == 1
