"""Which thread of a pool runs what when, and what the threads say of themselves."""

from __future__ import annotations

import gc
import itertools
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

from procession.pool import ThreadPool
from tests.contracts import pool_tasks as tasks
from tests.contracts.thread_pools import SECONDS, pool

__all__ = ["pool"]


class TestScheduling:
    """Who runs what when."""

    def test_tasks_begin_in_order(self, pool: Any) -> None:
        """A task that waits for the one behind it does not keep it from running."""

        def wait_for_the_next(index: int) -> int:
            if index % 2 == 0 and not events[index + 1].wait(SECONDS):
                raise TimeoutError
            events[index].set()
            return index

        for method, chunksize in ((pool.map, 1), (pool.imap, 1)):
            events = [threading.Event() for _ in range(64)]
            assert list(method(wait_for_the_next, range(64), chunksize)) == list(range(64))

    @pytest.mark.parametrize("chunksize", [None, 1, 3, 100])
    def test_list_may_change_once_a_call_has_begun(self, pool: Any, chunksize: int | None) -> None:
        """However much of it goes together."""
        go_on, items = threading.Event(), list(range(1000))
        for _ in range(2):
            pool.apply_async(go_on.wait, (SECONDS,))
        result = pool.map_async(abs, items, chunksize)
        items.clear()
        go_on.set()
        assert result.get(SECONDS) == list(range(1000))

    @pytest.mark.parametrize("chunksize", [None, 1, 4])
    def test_no_task_waits_while_a_thread_is_idle(self, chunksize: int | None) -> None:
        """All threads meet at a barrier, whatever goes together, from whatever input."""
        with ThreadPool(4) as pool:
            for _ in range(30):
                barrier = threading.Barrier(4)
                pool.map(lambda _, meet=barrier: meet.wait(SECONDS), range(16), chunksize)
                grain = chunksize or 2
                for items in (range(16), iter(range(16)), dict.fromkeys(range(16))):
                    barrier.reset()
                    results = pool.imap(lambda _, meet=barrier: meet.wait(SECONDS), items, grain)
                    assert len(list(results)) == 16

    def test_later_input_reaches_idle_threads(self, pool: Any) -> None:
        """A thread that is busy at the same iterator does not keep others from what is read."""
        begun, go_on = threading.Event(), threading.Event()

        def numbers() -> Iterator[int]:
            yield 0
            begun.wait(SECONDS)
            yield 1

        def run(number: int) -> bool:
            if number == 1:
                go_on.set()
                return True
            begun.set()
            return go_on.wait(SECONDS)

        assert list(pool.imap(run, numbers())) == [True, True]

    def test_calls_take_turns_with_one_thread(self) -> None:
        """Also where the tasks of an endless call never end all at once."""
        with ThreadPool(1) as pool:
            endless = pool.imap(tasks.double, itertools.count(), buffersize=10**9)
            sized = pool.map_async(tasks.double, range(20_000), 1)
            for number in range(5):
                assert pool.apply(tasks.double, (number,)) == 2 * number
            assert sized.get(SECONDS) == list(range(0, 40_000, 2))
            assert [next(endless), next(endless)] == [0, 2]

    def test_iterator_that_was_dropped_runs_nothing_more(self, pool: Any) -> None:
        """Neither of what was read, nor of the rest."""
        go_on, ran = threading.Event(), []

        def run(number: int) -> None:
            ran.append(number)
            go_on.wait(SECONDS)

        results = pool.imap(run, range(1000), buffersize=1000)
        while len(ran) < 2:
            time.sleep(0)
        del results
        gc.collect()
        go_on.set()
        pool.map(tasks.double, range(10))
        pool.close()
        pool.join()
        assert sorted(ran) == [0, 1]

    def test_calls_from_many_threads_at_once(self, pool: Any) -> None:
        """Each with its own results, whoever is at which call."""
        wrong: list[Any] = []

        def call(number: int) -> None:
            for size in range(1, 60):
                numbers = range(number, number + size)
                expected = [2 * n for n in numbers]
                found = (
                    pool.map(tasks.double, numbers),
                    pool.map(tasks.double, numbers, 3),
                    list(pool.imap(tasks.double, iter(numbers), buffersize=2)),
                    sorted(pool.imap_unordered(tasks.double, numbers, 2)),
                    [pool.apply(tasks.double, (number,))],
                )
                wrong.extend(got for got in found[:4] if got != expected)

        threads = [threading.Thread(target=call, args=(1000 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        assert not any(thread.is_alive() for thread in threads)
        assert wrong == []

    def test_every_task_runs_once(self) -> None:
        """Whatever is taken away from whom, every result stands in its place."""
        runs: list[int] = []

        def run(index: int) -> int:
            runs.append(index)
            if index % 97 == 0:
                time.sleep(0.002)
            if index % 89 == 0:
                raise KeyError(index)
            return index

        with ThreadPool(8) as pool:
            mapped = pool.map(run, range(5000), on_error="return")
            assert sorted(runs) == list(range(5000))
            runs.clear()
            streamed = list(pool.imap(run, range(5000), on_error="return"))
            assert sorted(runs) == list(range(5000))
        for outcomes in (mapped, streamed):
            plain = [o.args[0] if isinstance(o, KeyError) else o for o in outcomes]
            assert plain == list(range(5000))

    def test_calls_take_turns(self, pool: Any) -> None:
        """A call is not kept waiting by an endless one."""
        endless = pool.imap(tasks.double, itertools.count(), buffersize=10**9)
        assert next(endless) == 0

        assert pool.apply(tasks.double, (4,)) == 8
        assert pool.map(tasks.double, range(3)) == [0, 2, 4]

    def test_buffersize_bounds_what_is_read(self, pool: Any) -> None:
        """The input is read no further ahead of the results taken."""
        read: list[int] = []

        def numbers() -> Iterator[int]:
            for number in itertools.count():
                read.append(number)
                yield number

        results = pool.imap(tasks.double, numbers(), buffersize=5)
        taken = [next(results) for _ in range(50)]

        assert taken == list(range(0, 100, 2))
        assert len(read) <= 50 + 5 + 1

    @pytest.mark.parametrize("kind", [iter, list])
    def test_every_chunksize_with_every_buffersize(self, pool: Any, kind: Any) -> None:
        """All results come, also where the buffer holds less than a chunk."""
        sizes = itertools.product((1, 2, 3, 7), (1, 2, 3, 5, 10, None), (1, 12, 30))
        for chunksize, buffersize, total in sizes:
            results = pool.imap(
                tasks.identity, kind(range(total)), chunksize, buffersize=buffersize
            )
            assert list(results) == list(range(total))

    def test_cancel(self) -> None:
        """What has not begun never runs; what runs cannot be cancelled."""
        go_on, ran = threading.Event(), threading.Event()
        with ThreadPool(1) as pool:
            running = pool.apply_async(go_on.wait, (SECONDS,))
            while not running._call.begun:
                time.sleep(0)
            waiting = pool.apply_async(ran.set)

            with pytest.raises(ValueError, match="not ready"):
                running.successful()
            assert waiting.cancel()
            assert not running.cancel()
            with pytest.raises(ValueError, match="cannot be interrupted"):
                running.cancel(running=True)
            go_on.set()
            assert running.get(SECONDS)
            pool.apply(int)
            assert waiting.cancelled()
            assert not ran.is_set()
            with pytest.raises(CancelledError):
                waiting.get(SECONDS)

    def test_timeout_for_tasks_is_refused(self, pool: Any) -> None:
        """No thread can be stopped; retries are never needed."""
        with pytest.raises(ValueError, match=r"get\(timeout\)"):
            pool.map(tasks.double, [1], timeout=1)
        assert pool.map(tasks.double, [1], retries=3) == [2]

    def test_what_belongs_to_processes_is_refused(self, pool: Any) -> None:
        """A state of each worker."""
        with pytest.raises(ValueError, match="worker_state"):
            pool.map(tasks.double, [1], pass_state=True)


class TestStats:
    """What the threads have done."""

    def test_counts(self, pool: Any) -> None:
        """Tasks of all methods, by thread, and the time of each."""
        pool.map(tasks.double, range(100))
        pool.map(tasks.double, range(10), 1)
        pool.starmap(max, [(1, 2)] * 5, 2)
        list(pool.imap(tasks.double, range(20)))
        pool.apply(tasks.double, (1,))
        pool.map(int, ["x"], on_error="return")
        pool.close()
        pool.join()
        stats = pool.stats()

        assert (stats.tasks_done, stats.tasks_in_flight) == (137, 0)
        assert (stats.retries, stats.deaths, stats.replaced) == (0, 0, 0)
        assert (stats.bytes_to_workers, stats.bytes_from_workers) == (None, None)
        assert [worker.slot for worker in stats.workers] == [0, 1]
        assert {worker.pid for worker in stats.workers} == {os.getpid()}
        assert sum(worker.tasks for worker in stats.workers) == 137
        assert stats.seconds_working > 0
        assert stats == pool.stats()

    @pytest.mark.parametrize("chunksize", [None, 1, 3])
    def test_what_is_under_way(self, pool: Any, chunksize: int | None) -> None:
        """Tasks that run, and those that wait, also in a thread's hands."""
        go_on = threading.Event()
        running = threading.Semaphore(0)
        result = pool.map_async(
            lambda _: (running.release(), go_on.wait(SECONDS)), range(9), chunksize
        )
        for _ in range(2):
            running.acquire()
        waiting = pool.apply_async(int)
        stats = pool.stats()
        go_on.set()
        result.get(SECONDS)
        waiting.get(SECONDS)

        assert (stats.tasks_done, stats.tasks_in_flight) == (0, 10)
        assert pool.stats().tasks_in_flight == 0
