"""What a SimpleQueue promises: put, get, empty, close, and nothing else to know."""

from __future__ import annotations

import multiprocessing
import multiprocessing.queues
import select
import threading
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from tests.contracts import children
from tests.contracts.conftest import Start
from tests.contracts.objects import BORDERS, EVERYDAY_OBJECTS, Unpicklable
from tests.contracts.outcomes import outcome
from tests.waiting import HANG_GUARD_SECONDS


class SimpleQueueContract:
    """Instantiate as a test class."""

    @pytest.fixture
    def simple(self, any_context: BaseContext) -> Iterator[Any]:
        """A SimpleQueue in this process."""
        made = any_context.SimpleQueue()
        yield made
        made.close()

    def test_is_of_the_standard_class(self, simple: Any) -> None:
        """It is an instance of the standard library's SimpleQueue."""
        assert isinstance(simple, multiprocessing.queues.SimpleQueue)

    def test_gives_back_what_was_put_in_order(self, simple: Any) -> None:
        """Objects come out equal and in order."""
        for obj in EVERYDAY_OBJECTS:
            simple.put(obj)
        assert [repr(simple.get()) for _ in EVERYDAY_OBJECTS] == [repr(o) for o in EVERYDAY_OBJECTS]

    def test_put_of_every_size_needs_no_reader(self, simple: Any) -> None:
        """put() returns whatever the size, though nobody reads."""
        for size in BORDERS:
            simple.put(b"x" * size)
        assert [len(simple.get()) for _ in BORDERS] == BORDERS

    def test_empty_is_exact(self, simple: Any) -> None:
        """empty() says whether there is a message."""
        assert simple.empty()
        simple.put(None)
        assert not simple.empty()
        simple.get()
        assert simple.empty()

    def test_get_waits(self, simple: Any) -> None:
        """A thread in get() gets what another thread puts."""
        got: list[Any] = []
        waiting = threading.Thread(target=lambda: got.append(simple.get()))
        waiting.start()
        simple.put("hello")
        waiting.join(HANG_GUARD_SECONDS)
        assert got == ["hello"]

    def test_unpicklable_raises_in_the_caller(self, simple: Any) -> None:
        """What cannot be pickled raises in put() and leaves the queue usable."""
        with pytest.raises(RuntimeError, match="will not be pickled"):
            simple.put(Unpicklable())
        assert simple.empty()

    @pytest.mark.parametrize(("method", "args"), [("put", (1,)), ("get", ()), ("empty", ())])
    def test_closed_raises_as_in_the_standard_library(
        self, simple: Any, method: str, args: tuple[Any, ...]
    ) -> None:
        """A closed queue raises what the standard class raises, and may be closed again."""
        standard: Any = multiprocessing.SimpleQueue()
        standard.close()
        simple.close()
        simple.close()
        expected, text = outcome(getattr(standard, method), *args)
        assert (expected, text) == (OSError, "handle is closed")
        with pytest.raises(expected, match=text):
            getattr(simple, method)(*args)

    def test_has_the_private_ends_that_programs_read(self, simple: Any) -> None:
        """_reader, _writer and _poll work as on the standard queue."""
        assert not simple._poll()
        simple._writer.send("hello")
        assert simple._poll(1)
        assert select.select([simple._reader], [], [], 0)[0]
        assert simple._reader.recv() == "hello"
        simple.close()
        assert simple._reader.closed
        assert simple._writer.closed

    def test_objects_cross_both_ways(self, context: BaseContext, start: Start) -> None:
        """A child gets what the parent puts, and the parent what the child answers."""
        tasks, answers = context.SimpleQueue(), context.SimpleQueue()
        child = start(children.take_and_answer, tasks, answers)
        for obj in ([42, None, "hello"], b"x" * 300_000):
            tasks.put(obj)
            assert answers.get() == (type(obj).__name__, obj)
        tasks.put(None)
        child.join(HANG_GUARD_SECONDS)
        assert child.exitcode == 0

    def test_join_before_draining_does_not_deadlock(
        self, context: BaseContext, start: Start
    ) -> None:
        """A child that has put 20 MB ends before any of it is taken."""
        results = context.SimpleQueue()
        child = start(children.put_bytes, results, 2, 10_000_000)
        child.join(HANG_GUARD_SECONDS)
        assert child.exitcode == 0
        assert [len(results.get()) for _ in range(2)] == [10_000_000] * 2
