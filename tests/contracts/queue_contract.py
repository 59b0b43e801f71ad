"""What every queue promises within a process, whatever its kind and transport.

``QueueContract`` holds for Queue and JoinableQueue; ``test_queues.py`` instantiates it.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.queues
import os
import queue
import select
import selectors
import threading
import time
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from procession._engine.ipc import transport
from tests.contracts.objects import BORDERS, EVERYDAY_OBJECTS, Unloadable, Unpicklable
from tests.contracts.outcomes import outcome
from tests.waiting import HANG_GUARD_SECONDS


class QueueContract:
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

    # --- objects and their order

    def test_is_of_the_standard_class(self, a_queue: Any) -> None:
        """The queue is an instance of the standard library's class of the same name."""
        assert isinstance(a_queue, getattr(multiprocessing.queues, self.kind))
        assert repr(a_queue).startswith(f"<procession.queues.{self.kind} ")

    @pytest.mark.parametrize("obj", EVERYDAY_OBJECTS, ids=repr)
    def test_gives_back_equal_objects_of_the_same_type(self, a_queue: Any, obj: Any) -> None:
        """What comes out equals what went in, and is of exactly the same type."""
        a_queue.put(obj)
        got = a_queue.get()
        assert type(got) is type(obj)
        assert repr(got) == repr(obj)

    def test_keeps_the_order(self, a_queue: Any) -> None:
        """Messages come out in the order in which they were put."""
        for index in range(1_000):
            a_queue.put(index)
        assert [a_queue.get() for _ in range(1_000)] == list(range(1_000))

    def test_takes_objects_of_every_size(self, a_queue: Any) -> None:
        """Sizes around every internal border arrive whole."""
        for size in BORDERS:
            a_queue.put(bytes([size % 251]) * size)
        for size in BORDERS:
            got = a_queue.get()
            assert len(got) == size
            assert got == bytes([size % 251]) * size

    def test_takes_100_mb(self, a_queue: Any) -> None:
        """One object of 100 MB needs nobody at the other end, and arrives unharmed."""
        payload = bytes(range(250)) * 400_000
        a_queue.put(payload)
        assert a_queue.get() == payload

    def test_counts_exactly(self, any_context: BaseContext) -> None:
        """qsize, empty and full are exact after every operation."""
        bounded = self.make(any_context, 3)
        for size in range(4):
            assert bounded.qsize() == size
            assert bounded.empty() == (size == 0)
            assert bounded.full() == (size == 3)
            if size < 3:
                bounded.put(size)
        for size in (3, 2, 1):
            assert bounded.qsize() == size
            bounded.get()
        assert bounded.qsize() == 0
        assert bounded.empty()
        assert not bounded.full()

    @pytest.mark.parametrize("maxsize", [0, -1])
    def test_without_bound_takes_all(self, any_context: BaseContext, maxsize: int) -> None:
        """A queue with maxsize 0 or less is never full."""
        unbounded = self.make(any_context, maxsize)
        for index in range(20_000):
            unbounded.put_nowait(index)
        assert unbounded.qsize() == 20_000
        assert not unbounded.full()
        assert [unbounded.get_nowait() for _ in range(20_000)] == list(range(20_000))

    # --- waiting

    def test_get_from_empty_raises_empty_in_time(self, a_queue: Any) -> None:
        """Without a message get raises Empty: at once, or not before its time-out."""
        with pytest.raises(queue.Empty):
            a_queue.get_nowait()
        with pytest.raises(queue.Empty):
            a_queue.get(False)
        with pytest.raises(queue.Empty):
            a_queue.get(block=False, timeout=1_000)
        with pytest.raises(queue.Empty):
            a_queue.get(True, -1)
        begin = time.monotonic()
        with pytest.raises(queue.Empty):
            a_queue.get(timeout=0.05)
        assert time.monotonic() - begin >= 0.05

    def test_put_into_full_raises_full_in_time(self, any_context: BaseContext) -> None:
        """Without room put raises Full: at once, or not before its time-out."""
        bounded = self.make(any_context, 1)
        bounded.put("first")
        with pytest.raises(queue.Full):
            bounded.put_nowait("second")
        with pytest.raises(queue.Full):
            bounded.put("second", False)
        with pytest.raises(queue.Full):
            bounded.put("second", block=False, timeout=1_000)
        with pytest.raises(queue.Full):
            bounded.put("second", True, -1)
        begin = time.monotonic()
        with pytest.raises(queue.Full):
            bounded.put("second", timeout=0.05)
        assert time.monotonic() - begin >= 0.05
        assert bounded.get() == "first"
        bounded.put("third", timeout=5)
        assert bounded.get() == "third"

    def test_put_wakes_a_thread_that_waits_in_get(self, a_queue: Any) -> None:
        """A thread in get() gets what another thread puts."""
        got: list[Any] = []
        waiting = threading.Thread(target=lambda: got.append(a_queue.get()))
        waiting.start()
        a_queue.put("hello")
        waiting.join(HANG_GUARD_SECONDS)
        assert got == ["hello"]

    @pytest.mark.parametrize("timeout", [10**6, 1e12, float("inf")])
    def test_long_timeouts_are_no_trouble(self, a_queue: Any, timeout: float) -> None:
        """A time-out beyond what the system can count is a wait like any other."""
        putter = threading.Timer(0.02, a_queue.put, ("hello",))
        putter.start()
        assert a_queue.get(timeout=timeout) == "hello"
        putter.join()
        putter = threading.Timer(0.02, a_queue.put, ("hello",))
        putter.start()
        assert transport.wait([a_queue], timeout) == [a_queue]
        putter.join()

    def test_get_wakes_a_thread_that_waits_in_put(self, any_context: BaseContext) -> None:
        """A thread in put() goes on when another thread makes room."""
        bounded = self.make(any_context, 1)
        bounded.put(1)
        waiting = threading.Thread(target=bounded.put, args=(2,))
        waiting.start()
        assert bounded.get() == 1
        waiting.join(HANG_GUARD_SECONDS)
        assert bounded.get(timeout=5) == 2

    def test_serves_many_threads(self, any_context: BaseContext) -> None:
        """Threads on one bounded queue lose nothing and get nothing twice."""
        shared = self.make(any_context, 7)
        got: list[int] = []

        def put(first: int) -> None:
            for index in range(first, first + 500):
                shared.put(index)

        def get() -> None:
            got.extend(iter(shared.get, None))

        putters = [threading.Thread(target=put, args=(500 * each,)) for each in range(4)]
        getters = [threading.Thread(target=get) for _ in range(4)]
        for thread in putters + getters:
            thread.start()
        for thread in putters:
            thread.join(HANG_GUARD_SECONDS)
        for _ in getters:
            shared.put(None)
        for thread in getters:
            thread.join(HANG_GUARD_SECONDS)
        assert sorted(got) == list(range(2_000))

    # --- bad input

    @pytest.mark.parametrize("obj", [Unpicklable(), [1, Unpicklable()], threading.Lock()])
    def test_unpicklable_raises_in_the_caller(self, a_queue: Any, obj: Any) -> None:
        """What cannot be pickled raises in put() and leaves the queue usable."""
        with pytest.raises((RuntimeError, TypeError)):
            a_queue.put(obj)
        assert a_queue.qsize() == 0
        a_queue.put("usable")
        assert a_queue.get() == "usable"

    def test_unloadable_raises_in_get(self, a_queue: Any) -> None:
        """What cannot be unpickled raises in get() and leaves the queue usable."""
        a_queue.put(Unloadable())
        a_queue.put("next")
        with pytest.raises(RuntimeError, match="will not be unpickled"):
            a_queue.get()
        assert a_queue.get() == "next"

    @pytest.mark.parametrize(
        ("method", "args"),
        [
            ("put", (1, True, "soon")),
            ("get", (True, "soon")),
            ("put", ()),
            ("get", (1, 2, 3)),
            ("put_nowait", ()),
            ("get_nowait", (1,)),
        ],
    )
    def test_wrong_arguments_raise_as_in_the_standard_library(
        self, a_queue: Any, method: str, args: tuple[Any, ...]
    ) -> None:
        """A call with wrong arguments raises the exception that the standard class raises."""
        standard: Any = getattr(multiprocessing.get_context("spawn"), self.kind)()
        expected, _ = outcome(getattr(standard, method), *args)
        assert expected is not None
        with pytest.raises(expected):
            getattr(a_queue, method)(*args)

    @pytest.mark.parametrize("maxsize", ["1", 1.5, None])
    def test_a_bound_that_is_no_number_is_refused(
        self, any_context: BaseContext, maxsize: Any
    ) -> None:
        """A maxsize of a wrong type raises TypeError, as in the standard library."""
        with pytest.raises(TypeError):
            self.make(multiprocessing.get_context("spawn"), maxsize)
        with pytest.raises(TypeError):
            self.make(any_context, maxsize)

    def test_closed_says_so(self, a_queue: Any) -> None:
        """After close() the queue refuses its service with ValueError; closing again is fine."""
        a_queue.put(1)
        a_queue.close()
        a_queue.close()
        for use in (
            lambda: a_queue.put(1),
            lambda: a_queue.put_nowait(1),
            a_queue.get,
            a_queue.get_nowait,
            lambda: a_queue.put_many([1]),
            lambda: a_queue.get_many(1),
            a_queue.qsize,
            a_queue.empty,
            a_queue.full,
            a_queue.fileno,
        ):
            with pytest.raises(ValueError, match="closed"):
                use()

    def test_feeder_thread_calls_are_harmless(self, a_queue: Any) -> None:
        """join_thread() wants a closed queue, as in the standard library, and then returns."""
        a_queue.cancel_join_thread()
        with pytest.raises(AssertionError, match="not closed"):
            a_queue.join_thread()
        a_queue.put(1)
        a_queue.close()
        a_queue.join_thread()

    # --- readiness

    def test_descriptor_is_readable_while_there_are_messages(self, a_queue: Any) -> None:
        """select() calls the queue readable exactly while it has messages."""

        def readable() -> bool:
            return bool(select.select([a_queue], [], [], 0)[0])

        assert not readable()
        a_queue.put(1)
        a_queue.put(2)
        assert readable()
        a_queue.get()
        assert readable()
        a_queue.get()
        assert not readable()
        a_queue.put(3)
        assert readable()

    def test_stands_in_a_selector(self, a_queue: Any) -> None:
        """A selector wakes when another thread puts."""
        with selectors.DefaultSelector() as selector:
            selector.register(a_queue, selectors.EVENT_READ)
            assert selector.select(0) == []
            putter = threading.Thread(target=a_queue.put, args=(1,))
            putter.start()
            assert len(selector.select(HANG_GUARD_SECONDS)) == 1
            putter.join()
        assert a_queue.get_nowait() == 1

    def test_has_the_private_ends_that_programs_read(self, any_context: BaseContext) -> None:
        """_reader, _writer and _maxsize work as on the standard queue."""
        bounded = self.make(any_context, 2)
        assert bounded._maxsize == 2
        assert not bounded._reader.poll()
        bounded._writer.send("hello")
        assert bounded._reader.poll(1)
        assert transport.wait([bounded._reader], 0) != []
        assert bounded._reader.recv() == "hello"
        with bounded._rlock, bounded._wlock:
            bounded.put(1)
        bounded._writer.close()
        assert bounded._writer.closed
        assert not bounded._reader.closed
        assert bounded.get() == 1

    # --- doors to the same messages

    def test_is_itself_when_it_comes_back(self, a_queue: Any) -> None:
        """A queue that went through itself is another door to the same messages."""
        a_queue.put(a_queue)
        other = a_queue.get()
        assert type(other) is type(a_queue)
        other.put("hello")
        assert a_queue.get() == "hello"
        a_queue.put("back")
        other.close()
        assert a_queue.get() == "back"

    def test_subclasses_may_add_state(self, a_queue: Any) -> None:
        """A subclass that extends __getstate__ and __setstate__ travels with what it added."""
        original: Any = LABELLED[self.kind](3)
        original.label = "mine"
        a_queue.put(original)
        other = a_queue.get()
        assert (type(other), other.label) == (type(original), "mine")
        other.put("hello")
        assert original.get() == "hello"

    def test_does_not_hold_descriptors_after_close(self, any_context: BaseContext) -> None:
        """close() gives back all descriptors at once, also those of another door."""
        first = self.make(any_context, 2)
        first.put(1)
        memory = os.fstat(first.fileno())
        assert memory
        descriptor = first.fileno()
        first.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


class _Label:
    """What programs do to give a queue attributes that travel."""

    label = ""

    def __getstate__(self) -> Any:
        return super().__getstate__(), self.label  # type: ignore[misc]  # a queue comes next

    def __setstate__(self, state: Any) -> None:
        queue_state, self.label = state
        super().__setstate__(queue_state)  # type: ignore[misc]  # as above


class LabelledQueue(_Label, transport.Queue):
    pass


class LabelledJoinableQueue(_Label, transport.JoinableQueue):
    pass


LABELLED = {"Queue": LabelledQueue, "JoinableQueue": LabelledJoinableQueue}
