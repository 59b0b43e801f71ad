"""A pool of threads: the shared contract of pools, and what is different with threads."""

from __future__ import annotations

import gc
import itertools
import multiprocessing.pool
import os
import threading
import time
import traceback
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any, ClassVar

import pytest

import procession.dummy
from procession.errors import ProcessError
from procession.pool import Pool, ThreadPool
from tests.conftest import RunScript
from tests.contracts import pool_tasks as tasks
from tests.contracts.pool_contract import StandardInterface

SECONDS = 30.0


@pytest.fixture
def context() -> Any:
    """What makes pools in the shared contract."""
    return procession.dummy


@pytest.fixture
def pool() -> Iterator[Any]:
    """A pool of two threads; it is ended with the test."""
    made = ThreadPool(2)
    yield made
    made.terminate()
    made.join()


class TestStandardInterface(StandardInterface):
    """The interface that pools of processes and of threads share."""

    # These are of processes, or kill what runs.
    test_initializer_runs_in_each_worker: ClassVar[Any] = None
    test_successful_before_the_end_is_an_error: ClassVar[Any] = None
    test_terminate_ends_calls_under_way: ClassVar[Any] = None
    test_terminate_from_another_thread: ClassVar[Any] = None
    test_leaving_the_block_terminates: ClassVar[Any] = None
    test_attributes_that_programs_read: ClassVar[Any] = None
    test_maxtasksperchild_replaces_workers: ClassVar[Any] = None
    test_maxtasksperchild_with_asynchronous_calls: ClassVar[Any] = None
    test_maxtasksperchild_is_checked: ClassVar[Any] = None
    test_pids_are_stable: ClassVar[Any] = None


class TestObjects:
    """Nothing is pickled."""

    def test_is_the_standard_kind(self, pool: Any) -> None:
        """Programs that check for either pool find it."""
        assert isinstance(pool, multiprocessing.pool.ThreadPool)
        assert isinstance(pool, Pool)
        assert procession.dummy.Pool is ThreadPool

    def test_arguments_and_results_are_the_very_objects(self, pool: Any) -> None:
        """Also those that cannot be pickled, and functions."""
        lock = threading.Lock()

        assert pool.apply(lambda thing: thing, (lock,)) is lock
        assert pool.map(lambda thing: thing, [lock])[0] is lock
        assert next(pool.imap(lambda thing: thing, [lock])) is lock
        assert pool.starmap(lambda *things: things, [(lock, 1)]) == [(lock, 1)]

    def test_exceptions_are_the_very_objects(self, pool: Any) -> None:
        """With the traceback of the task, from its first frame on."""
        mistake = KeyError("mine")

        def fail(_: object) -> None:
            raise mistake

        for call in (pool.apply, pool.map, self._next_of(pool)):
            with pytest.raises(KeyError) as caught:
                call(fail, [1])
            assert caught.value is mistake
            frames = [frame.name for frame in traceback.extract_tb(mistake.__traceback__)]
            assert frames[-1] == "fail"
            mistake.__traceback__ = None

    @staticmethod
    def _next_of(pool: Any) -> Any:
        return lambda f, items: next(pool.imap(f, items))

    @pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
    def test_what_would_end_a_program_ends_no_thread(
        self, pool: Any, kind: type[BaseException]
    ) -> None:
        """It arrives as the task's exception, and the pool works on."""

        def leave(_: object) -> None:
            raise kind

        for _ in range(3):
            with pytest.raises(kind):
                pool.apply(leave, (1,))
            with pytest.raises(kind):
                pool.map(leave, [1, 2, 3])
            with pytest.raises(kind):
                next(pool.imap(leave, [1]))
        assert pool.map(tasks.double, range(10)) == list(range(0, 20, 2))

    def test_exceptions_in_place_of_results(self, pool: Any) -> None:
        """on_error="return" gives all outcomes; StopIteration is one, too."""
        inputs = [iter([number] * (number % 2)) for number in range(9)]
        mapped = pool.map(next, inputs, on_error="return")
        streamed = list(pool.imap(int, ["1", "x", "3"], on_error="return"))

        assert [type(outcome) for outcome in mapped] == [StopIteration, int] * 4 + [StopIteration]
        assert [type(outcome) for outcome in streamed] == [int, ValueError, int]

    def test_stop_iteration_of_a_task_keeps_its_value(self, pool: Any) -> None:
        """It is the very object, in every method."""
        mistake = StopIteration("what it returned")

        def stop(_: object) -> None:
            raise mistake

        for chunksize in (None, 1, 3):
            assert pool.map(stop, range(5), chunksize, on_error="return") == [mistake] * 5
            with pytest.raises(StopIteration, match="what it returned"):
                pool.starmap(stop, [(1,)] * 5, chunksize)
        with pytest.raises(StopIteration, match="what it returned"):
            pool.apply(stop, (1,))
        assert list(pool.imap(stop, range(5), 2, on_error="return")) == [mistake] * 5

    def test_arguments_of_starmap_that_cannot_be_spread(self, pool: Any) -> None:
        """Fail as the task that they are of."""
        for chunksize in (None, 1, 2):
            outcomes = pool.starmap(max, [(1, 2), 3, (4, 5)], chunksize, on_error="return")
            assert [outcomes[0], type(outcomes[1]), outcomes[2]] == [2, TypeError, 5]

    def test_nothing_is_held_after_the_call(self, pool: Any) -> None:
        """Neither arguments, results, exceptions nor functions."""

        class Thing:
            pass

        things = [Thing() for _ in range(10)]
        known = [weakref.ref(thing) for thing in things]
        pool.map(lambda thing: thing, things)
        for _ in pool.imap(lambda thing: thing, things):
            pass
        pool.apply_async(lambda thing: thing, (things[0],)).get(SECONDS)
        del things, _
        pool.map(tasks.double, range(4), 1)  # each thread has left what it had
        pool.map(time.sleep, [0.01] * 4, 1)
        gc.collect()

        assert [ref() for ref in known] == [None] * 10


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


class TestStarting:
    """Initializers."""

    def test_initializer_runs_in_each_thread(self) -> None:
        """Before any task."""
        own = threading.local()

        def begin(value: int) -> None:
            own.value = value

        with ThreadPool(3, begin, (7,)) as pool:
            assert pool.map(lambda _: own.value, range(30), 1) == [7] * 30

    def test_initializer_that_raises_breaks_the_pool(self) -> None:
        """After a few attempts every call raises what it raised."""

        def fail() -> None:
            raise LookupError("no start")

        pool = ThreadPool(2, fail)
        with pytest.raises(LookupError, match="no start"):
            pool.map(tasks.double, [1])
        pool.close()
        pool.join()

    def test_initializer_may_fail_once(self) -> None:
        """It is tried again."""
        attempts: list[int] = []

        def fail_once() -> None:
            attempts.append(1)
            if len(attempts) == 1:
                raise LookupError

        with ThreadPool(2, fail_once) as pool:
            assert pool.map(tasks.double, [1]) == [2]


class TestEnding:
    """close, terminate, join, exit."""

    def test_terminate_does_not_wait_for_what_runs(self) -> None:
        """Calls under way end at once, tasks that wait are dropped; join() waits."""
        go_on, ran = threading.Event(), []
        pool = ThreadPool(1)
        result = pool.map_async(lambda n: (ran.append(n), go_on.wait(SECONDS)), range(10), 5)
        while not ran:
            time.sleep(0)
        pool.terminate()

        with pytest.raises(ProcessError, match="terminated"):
            result.get(SECONDS)
        go_on.set()
        pool.join()
        assert ran == [0]
        with pytest.raises(ValueError, match="not running"):
            pool.map(tasks.double, [1])

    def test_join_in_a_task_or_callback_is_an_error(self) -> None:
        """It would wait for itself."""
        with ThreadPool(1) as pool:
            pool.apply(int)
            closing = pool.apply_async(lambda: (pool.close(), pool.join()))
            with pytest.raises(RuntimeError, match="cannot join its own pool"):
                closing.get(SECONDS)

    def test_join_after_iterators_that_nobody_takes_from(self) -> None:
        """Dropped, or held with results in it."""
        pool = ThreadPool(2)
        held = pool.imap(tasks.double, range(1000), buffersize=2)
        for _ in range(20):
            pool.imap(tasks.double, iter(range(1000)), buffersize=2)
            pool.imap(tasks.double, range(1000), buffersize=2)
        pool.close()
        pool.join()

        assert list(held) == list(range(0, 2000, 2))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_forked_child_is_told(self, run_script: RunScript) -> None:
        """It has none of the threads; and one that comes back from a task ends."""
        outcome = run_script(
            """
            import os, sys
            from procession.pool import ThreadPool

            def fork(number):
                if os.getpid() != parent:
                    print("a task began in a child", flush=True)
                    os._exit(1)
                return os.fork()

            parent = os.getpid()
            pool = ThreadPool(2)
            assert pool.apply(abs, (-1,)) == 1
            pid = os.fork()
            if pid == 0:
                try:
                    pool.map(abs, [1])
                except RuntimeError as error:
                    print("ThreadPool" in str(error), flush=True)
                os._exit(0)
            os.waitpid(pid, 0)
            for chunksize in (None, 1, 2):
                for method in (pool.map, pool.imap):
                    children = [pid for pid in method(fork, range(4), chunksize or 4) if pid]
                    for child in children:
                        os.waitpid(child, 0)
                    print(len(children))
            pool.terminate()
            pool.join()
            """
        )
        assert outcome.stdout.split() == ["True"] + ["4"] * 6

    def test_exit_of_the_program(self, run_script: RunScript) -> None:
        """A pool that was left as it is, with tasks that run and wait, keeps nobody."""
        outcome = run_script(
            """
            import time
            from procession.pool import ThreadPool

            pool = ThreadPool(2)
            result = pool.map_async(time.sleep, [600] * 10)
            results = pool.imap(time.sleep, iter([600] * 10))
            print("end")
            """
        )
        assert outcome.stdout.split() == ["end"]


def test_many_pools_leave_no_threads() -> None:
    """A pool that was closed is gone."""
    before = threading.active_count()
    for _ in range(100):
        pool = ThreadPool(2)
        assert pool.map(tasks.double, range(3)) == [0, 2, 4]
        pool.apply_async(int, callback=abs)
        pool.close()
        pool.join()
    assert threading.active_count() <= before
