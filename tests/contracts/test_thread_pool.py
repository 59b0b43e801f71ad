"""A pool of threads: the shared contract of pools, and what is different with threads."""

from __future__ import annotations

import gc
import multiprocessing.pool
import os
import threading
import time
import traceback
import weakref
from typing import Any, ClassVar

import pytest

import procession.dummy
from procession.errors import ProcessError
from procession.pool import Pool, ThreadPool
from tests.conftest import RunScript
from tests.contracts import pool_tasks as tasks
from tests.contracts.pool_contract import StandardInterface
from tests.contracts.thread_pools import SECONDS, pool

__all__ = ["pool"]


@pytest.fixture
def context() -> Any:
    """What makes pools in the shared contract."""
    return procession.dummy


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
