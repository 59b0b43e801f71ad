"""What every queue promises, whatever its kind, transport and start method.

``QueueContract`` holds for Queue and JoinableQueue, ``JoinableContract`` for the latter too.
``test_queues.py`` instantiates them.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.queues
import os
import queue
import select
import selectors
import signal
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from procession._engine.ipc import transport
from tests.contracts import children
from tests.contracts.conftest import HANG_GUARD_SECONDS, Start
from tests.contracts.outcomes import outcome

EVERYDAY_OBJECTS: list[Any] = [
    None,
    True,
    0,
    -(2**63),
    2**200,
    1.5,
    float("inf"),
    "",
    "hello",
    "\N{SNOWMAN} and \U0001f40d",
    b"",
    b"\0bytes",
    bytearray(b"array"),
    (),
    (1, "two", 3.0),
    [42, None, "hello"],
    {"a": 1, 2: [3, {4: 5}]},
    {1, 2, 3},
    frozenset({"x"}),
    OrderedDict(a=1),
    Decimal("1.10"),
    range(3),
    complex(1, 2),
    int,
    len,
    ValueError("with a text"),
    Ellipsis,
]

BORDERS = sorted(
    {0, 1} | {base + off for base in (4096, 32768, 65536, 1 << 20) for off in (-64, -1, 0, 1, 64)}
)


class Unpicklable:
    """Raises when it is pickled."""

    def __reduce__(self) -> Any:
        raise RuntimeError("will not be pickled")


def _refuse() -> None:
    raise RuntimeError("will not be unpickled")


class Unloadable:
    """Pickles, and raises when it is unpickled."""

    def __reduce__(self) -> Any:
        return _refuse, ()


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

    # --- many at a time

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

    # --- between processes

    def test_objects_cross_both_ways(self, context: BaseContext, start: Start) -> None:
        """A child gets what the parent puts, and the parent what the child answers."""
        tasks, answers = self.make(context), self.make(context)
        child = start(children.take_and_answer, tasks, answers)
        for obj in EVERYDAY_OBJECTS[1:]:
            tasks.put(obj)
        tasks.put(None)
        for obj in EVERYDAY_OBJECTS[1:]:
            name, got = answers.get(timeout=30)
            assert name == type(obj).__name__
            assert repr(got) == repr(obj)
        child.join(HANG_GUARD_SECONDS)
        assert child.exitcode == 0

    def test_an_exit_right_after_put_loses_nothing(
        self, context: BaseContext, start: Start
    ) -> None:
        """A process may leave, even without clean-up, as soon as put() has returned."""
        results = self.make(context)
        first = start(children.put_all, results, list(range(300)))
        first.join(HANG_GUARD_SECONDS)
        second = start(children.put_and_exit_hard, results, b"x" * 1_000_000)
        second.join(HANG_GUARD_SECONDS)
        assert results.qsize() == 301
        assert [results.get_nowait() for _ in range(300)] == list(range(300))
        assert len(results.get_nowait()) == 1_000_000

    def test_join_before_draining_does_not_deadlock(
        self, context: BaseContext, start: Start
    ) -> None:
        """A child that has put 100 MB ends before any of it is taken."""
        results = self.make(context)
        child = start(children.put_bytes, results, 10, 10_000_000)
        child.join(HANG_GUARD_SECONDS)
        assert child.exitcode == 0
        for index in range(10):
            got = results.get_nowait()
            assert len(got) == 10_000_000
            assert got[0] == got[-1] == index

    def test_many_producers_and_consumers_lose_nothing(
        self, context: BaseContext, start: Start
    ) -> None:
        """Each message arrives once and whole, in its producer's order at each consumer."""
        work, results = self.make(context, 20), self.make(context)
        producers = [start(children.produce_with_checksums, work, each, 150) for each in range(3)]
        for _ in range(2):
            start(children.consume_with_checksums, work, results)
        for producer in producers:
            producer.join(HANG_GUARD_SECONDS)
            assert producer.exitcode == 0
        for _ in range(2):
            work.put(None)
        seen = [results.get(timeout=30) for _ in range(2)]
        for consumer in seen:
            for producer_number in range(3):
                indices = [index for who, index in consumer if who == producer_number]
                assert indices == sorted(indices)
        everything = sorted(seen[0] + seen[1])
        assert everything == [(who, index) for who in range(3) for index in range(150)]

    def test_timeouts_hold_in_children(self, context: BaseContext, start: Start) -> None:
        """In a child, too, Empty and Full come not before their time-outs."""
        empty, full, answers = self.make(context), self.make(context, 1), self.make(context)
        full.put(0)
        start(children.report_timeouts, empty, full, answers)
        for expected in ("Empty", "Full"):
            name, seconds = answers.get(timeout=30)
            assert name == expected
            assert seconds >= 0.05

    def test_a_bound_holds_a_child_back(self, context: BaseContext, start: Start) -> None:
        """A child's put() waits while the queue is full, and goes on when there is room."""
        bounded = self.make(context, 2)
        child = start(children.put_all, bounded, list(range(10)))
        deadline = time.monotonic() + HANG_GUARD_SECONDS
        while bounded.qsize() < 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert bounded.full()
        assert child.is_alive()
        assert [bounded.get(timeout=30) for _ in range(10)] == list(range(10))
        child.join(HANG_GUARD_SECONDS)

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
    def test_killed_users_leave_the_queue_usable(self, context: BaseContext, start: Start) -> None:
        """Whatever a process was doing with the queue when it was killed, others go on."""
        shared, began = self.make(context), self.make(context)
        waiter = start(children.wait_for_ever, self.make(context), began)
        began.get(timeout=30)
        waiter.kill()
        for round_number in range(3):
            worker = start(children.put_and_take_for_ever, shared, began)
            began.get(timeout=30)
            time.sleep(0.003 * round_number)  # anywhere in its work
            worker.kill()
            worker.join(HANG_GUARD_SECONDS)
            assert worker.exitcode == -signal.SIGKILL
            while not shared.empty():
                assert shared.get(timeout=5) == b"x" * 3_000
            assert shared.qsize() == 0
            shared.put("still usable")
            assert shared.get(timeout=5) == "still usable"
            with pytest.raises(queue.Empty):
                shared.get(timeout=0.01)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no os.fork")
    def test_survives_forks_while_threads_use_it(self, any_context: BaseContext) -> None:
        """A child forked in the middle of other threads' operations can use the queue at once."""
        shared, from_children = self.make(any_context, 5), self.make(any_context)
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                shared.put(1)
                shared.get()

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for index in range(20):
            child = os.fork()
            if child == 0:
                from_children.put(index)
                shared.qsize()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert from_children.get(timeout=30) == index
        stop.set()
        for thread in threads:
            thread.join(HANG_GUARD_SECONDS)
        assert shared.empty()

    def test_travels_through_queues(self, context: BaseContext, start: Start) -> None:
        """A queue may be put into a queue, and is the same there."""
        outer, inner = self.make(context), self.make(context)
        child = start(children.use_queue_from_queue, outer)
        outer.put(inner)
        assert inner.get(timeout=30) == "by way of a queue"
        child.join(HANG_GUARD_SECONDS)
        assert child.exitcode == 0
        assert outer.get(timeout=30) == "done"

    def test_a_queue_from_a_process_that_has_ended_says_so(
        self, context: BaseContext, start: Start
    ) -> None:
        """Descriptors are fetched from the sender; one that is gone is named in the error."""
        outer, inner = self.make(context), self.make(context)
        start(children.put_a_queue_and_exit, outer, inner).join(HANG_GUARD_SECONDS)
        outer.put("next")
        with pytest.raises(ConnectionError, match="ended before this process"):
            outer.get(timeout=30)
        assert outer.get(timeout=30) == "next"

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


class JoinableContract:
    """What a JoinableQueue promises beyond a Queue."""

    def test_join_waits_for_all_tasks(self, context: BaseContext, start: Start) -> None:
        """join() returns when task_done() was called for everything that was put."""
        tasks = context.JoinableQueue()
        for index in range(100):
            tasks.put(index)
        tasks.put(None)
        start(children.do_tasks, tasks)
        tasks.join()
        assert tasks.empty()

    def test_join_returns_at_once_without_tasks(self, any_context: BaseContext) -> None:
        """A queue into which nothing was put has nothing to wait for."""
        any_context.JoinableQueue().join()

    def test_join_may_be_given_a_time(self, any_context: BaseContext) -> None:
        """join(timeout) says whether all tasks were done in time."""
        tasks: Any = any_context.JoinableQueue()
        tasks.put(1)
        begin = time.monotonic()
        assert not tasks.join(0.05)
        assert time.monotonic() - begin >= 0.05
        tasks.get()
        assert not tasks.join(0)
        tasks.task_done()
        assert tasks.join(0)

    def test_task_done_too_often_raises(self, any_context: BaseContext) -> None:
        """task_done() raises ValueError when called more often than there were messages."""
        tasks = any_context.JoinableQueue()
        with pytest.raises(ValueError, match="too many times"):
            tasks.task_done()
        tasks.put(1)
        tasks.get()
        tasks.task_done()
        with pytest.raises(ValueError, match="too many times"):
            tasks.task_done()

    def test_join_wakes_a_waiting_thread(self, any_context: BaseContext) -> None:
        """A thread in join() goes on when another thread reports the last task."""
        tasks = any_context.JoinableQueue()
        tasks.put(1)
        waiting = threading.Thread(target=tasks.join)
        waiting.start()
        tasks.get()
        tasks.task_done()
        waiting.join(HANG_GUARD_SECONDS)
        assert not waiting.is_alive()
