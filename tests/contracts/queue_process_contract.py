"""What every queue promises between processes, under every start method."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from tests.contracts import children
from tests.contracts.conftest import Start
from tests.contracts.objects import EVERYDAY_OBJECTS
from tests.waiting import HANG_GUARD_SECONDS


class QueueProcessContract:
    """Instantiate with ``kind``: the name of the context's factory."""

    kind = ""

    def make(self, context: BaseContext, maxsize: int = 0) -> Any:
        """A queue of the kind at hand."""
        return getattr(context, self.kind)(maxsize)

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
