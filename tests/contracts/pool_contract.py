"""The standard interface of a Pool, under every start method.

``test_pool.py`` instantiates the class, and that of ``pool_hard_cases_contract.py``; deaths of
workers are in ``test_pool_deaths.py``.
"""

from __future__ import annotations

import itertools
import multiprocessing
import multiprocessing.pool
import operator
import pickle
import threading
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from procession._engine.errors import ProcessError
from tests.contracts import pool_tasks as tasks
from tests.contracts.pools import ended


@pytest.fixture
def pool(context: BaseContext) -> Iterator[Any]:
    """A pool of two workers; it is ended with the test."""
    with ended(context.Pool(2)) as made:
        yield made


class StandardInterface:
    """What the standard library's documentation says."""

    def test_apply_returns_the_value(self, pool: Any) -> None:
        """The function gets positional and keyword arguments."""
        assert pool.apply(tasks.add, (1,), {"second": 4}) == 5

    def test_map_keeps_the_order(self, pool: Any) -> None:
        """Results stand in the order of the input, whatever its kind."""
        expected = [value * 2 for value in range(1000)]

        assert expected == pool.map(tasks.double, range(1000))
        assert expected == pool.map(tasks.double, list(range(1000)), chunksize=7)
        assert expected == pool.map(tasks.double, iter(range(1000)))
        assert pool.map(tasks.double, []) == []
        assert sorted(pool.map(tasks.double, {1, 2})) == [2, 4]

    def test_starmap_unpacks_the_items(self, pool: Any) -> None:
        """Each item is the list of arguments."""
        assert pool.starmap(tasks.add, [(1, 2), (3, 4)]) == [3, 7]
        assert pool.starmap(tasks.add, zip(range(100), range(100), strict=True)) == [
            2 * value for value in range(100)
        ]

    def test_map_async_and_starmap_async(self, pool: Any) -> None:
        """The results can be had later."""
        mapped = pool.map_async(tasks.double, range(10))
        starred = pool.starmap_async(tasks.add, [(1, 2)])

        assert starred.get(30) == [3]
        assert mapped.get(30) == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]
        assert mapped.ready()
        assert mapped.successful()

    def test_imap_is_in_order(self, pool: Any) -> None:
        """Results of sized and unsized input come one by one, in order."""
        expected = [value * 2 for value in range(300)]

        assert expected == list(pool.imap(tasks.double, range(300)))
        assert expected == list(pool.imap(tasks.double, iter(range(300))))
        assert expected == list(pool.imap(tasks.double, range(300), chunksize=11))
        assert list(pool.imap(tasks.double, [])) == []

    def test_imap_unordered_gives_all(self, pool: Any) -> None:
        """Each result comes once."""
        expected = [value * 2 for value in range(300)]

        assert expected == sorted(pool.imap_unordered(tasks.double, range(300)))
        assert expected == sorted(pool.imap_unordered(tasks.double, iter(range(300)), 5))

    def test_result_objects_are_of_the_standard_kinds(self, pool: Any) -> None:
        """Programs that check types of pools and results find the standard library's."""
        assert isinstance(pool, multiprocessing.pool.Pool)
        assert isinstance(pool.apply_async(tasks.add, (1,)), multiprocessing.pool.AsyncResult)
        assert isinstance(pool.map_async(tasks.double, []), multiprocessing.pool.MapResult)
        assert isinstance(pool.imap(tasks.double, []), multiprocessing.pool.IMapIterator)
        assert isinstance(
            pool.imap_unordered(tasks.double, []), multiprocessing.pool.IMapUnorderedIterator
        )

    def test_successful_before_the_end_is_an_error(self, pool: Any) -> None:
        """It cannot be known yet."""
        result = pool.apply_async(time.sleep, (60,))

        with pytest.raises(ValueError, match="not ready"):
            result.successful()
        assert not result.ready()

    def test_get_with_timeout(self, pool: Any) -> None:
        """The standard TimeoutError, and the task goes on."""
        result = pool.apply_async(tasks.nap_and_tell_pid, (0.3,))

        with pytest.raises(multiprocessing.TimeoutError):
            result.get(timeout=0.01)
        result.wait(0.01)
        assert result.get(30) > 0

    def test_next_with_timeout(self, pool: Any) -> None:
        """An iterator's next result can be waited for as well."""
        results = pool.imap(tasks.nap_and_tell_pid, [0.3, 0.0])

        with pytest.raises(multiprocessing.TimeoutError):
            results.next(timeout=0.01)
        assert results.next(timeout=30) > 0
        assert next(results) > 0
        with pytest.raises(StopIteration):
            results.next(timeout=30)

    def test_callbacks(self, pool: Any) -> None:
        """They run once, before the result is ready, with the value or the exception."""
        values: list[Any] = []
        errors: list[BaseException] = []
        good = pool.apply_async(tasks.add, (1,), callback=values.append)
        mapped = pool.map_async(tasks.double, [1, 2], callback=values.append)
        bad = pool.apply_async(tasks.raise_on, (5,), error_callback=errors.append)
        for result in (good, mapped, bad):
            result.wait(30)

        assert sorted(map(str, values)) == ["2", "[2, 4]"]
        assert [str(error) for error in errors] == ["bad value 5"]
        assert not bad.successful()

    def test_callbacks_run_while_nobody_waits(self, pool: Any) -> None:
        """A callback needs no call of get()."""
        called = threading.Event()
        pool.apply_async(tasks.add, (1,), callback=lambda _: called.set())

        assert called.wait(30)

    def test_many_results_with_callbacks_before_join(self, pool: Any) -> None:
        """After close() and join() every callback has run."""
        values: list[int] = []
        for value in range(500):
            pool.apply_async(tasks.double, (value,), callback=values.append)
        pool.close()
        pool.join()

        assert sorted(values) == [2 * value for value in range(500)]

    def test_callback_that_joins(self, pool: Any) -> None:
        """It would wait for itself: an error, and the pool ends as always."""
        raised: list[str] = []

        def close_and_join(_: int) -> None:
            pool.close()
            try:
                pool.join()
            except RuntimeError as error:
                raised.append(str(error))

        assert pool.apply_async(tasks.double, (2,), callback=close_and_join).get(30) == 4
        pool.join()
        assert len(raised) == 1
        assert "callback" in raised[0]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_callback_that_raises(self, pool: Any) -> None:
        """It is reported, and the pool goes on."""
        result = pool.apply_async(tasks.add, (1,), callback=lambda _: 1 / 0)

        assert result.get(30) == 2
        assert pool.apply(tasks.add, (1,)) == 2

    def test_initializer_runs_in_each_worker(self, context: BaseContext) -> None:
        """With its arguments, before any task."""
        with context.Pool(2, tasks.remember, (1, "two")) as pool:
            assert pool.map(tasks.remembered, range(20)) == [[1, "two"]] * 20

    def test_maxtasksperchild_replaces_workers(self, context: BaseContext) -> None:
        """A worker does so many tasks and is replaced; nothing is lost."""
        with context.Pool(1, maxtasksperchild=2) as pool:
            pids = pool.map(tasks.pid_of_worker, range(6), chunksize=1)

        assert [len(list(group)) for _, group in itertools.groupby(pids)] == [2, 2, 2]

    def test_maxtasksperchild_with_asynchronous_calls(self, context: BaseContext) -> None:
        """Replacement goes on while nobody waits."""
        with context.Pool(2, maxtasksperchild=3) as pool:
            results = [pool.apply_async(tasks.double, (value,)) for value in range(40)]

            assert [result.get(60) for result in results] == [2 * value for value in range(40)]

    def test_closed_pool_refuses_calls(self, context: BaseContext) -> None:
        """Every method says that the pool is not running."""
        pool = context.Pool(1)
        pool.close()
        for method in (pool.map, pool.imap, pool.imap_unordered, pool.map_async, pool.starmap):
            with pytest.raises(ValueError, match="Pool not running"):
                method(tasks.double, [1])
        with pytest.raises(ValueError, match="Pool not running"):
            pool.apply(tasks.add, (1,))
        with pytest.raises(ValueError, match="Pool not running"), pool:
            pass
        pool.join()

    def test_close_lets_calls_end(self, context: BaseContext) -> None:
        """What was asked for before close() is done, then join() returns."""
        pool = context.Pool(2)
        mapped = pool.map_async(tasks.double, range(1000))
        iterated = pool.imap(tasks.double, range(5000))
        pool.close()
        pool.join()

        assert mapped.get() == [2 * value for value in range(1000)]
        assert list(iterated) == [2 * value for value in range(5000)]
        assert [process.exitcode for process in pool._pool] == [0, 0]

    def test_join_of_a_running_pool_is_an_error(self, pool: Any) -> None:
        """close() or terminate() comes first."""
        with pytest.raises(ValueError, match="still running"):
            pool.join()

    def test_terminate_ends_calls_under_way(self, context: BaseContext) -> None:
        """Nobody waits for what was terminated, which would go on for longer than any test."""
        pool = context.Pool(2)
        result = pool.map_async(time.sleep, [3600] * 10)
        iterated = pool.imap(time.sleep, [3600] * 10)
        pool.terminate()
        pool.join()

        with pytest.raises(ProcessError, match="terminated"):
            result.get(10)
        with pytest.raises(ProcessError, match="terminated"):
            next(iterated)

    def test_terminate_from_another_thread(self, context: BaseContext) -> None:
        """A thread that waits for a result is let go."""
        pool = context.Pool(1)
        result = pool.apply_async(time.sleep, (60,))
        timer = threading.Timer(0.2, pool.terminate)
        timer.start()
        with pytest.raises(ProcessError, match="terminated"):
            result.get(30)
        timer.join()
        pool.join()

    def test_leaving_the_block_terminates(self, context: BaseContext) -> None:
        """As in the standard library, whatever happened inside."""
        pool = context.Pool(1)

        def fail_within() -> None:
            with pool:
                pool.apply_async(time.sleep, (60,))
                raise KeyError

        with pytest.raises(KeyError):
            fail_within()
        assert not any(process.is_alive() for process in pool._pool)
        pool.close()
        pool.join()
        pool.terminate()

    def test_pool_cannot_be_pickled(self, pool: Any) -> None:
        """It says so."""
        with pytest.raises(NotImplementedError, match="cannot be passed"):
            pickle.dumps(pool)

    def test_unclosed_pool_warns_and_ends_its_workers(self, context: BaseContext) -> None:
        """A pool that is dropped while it runs is a mistake, and leaves nothing."""
        pool: Any = context.Pool(1)
        workers = list(pool._pool)
        with pytest.warns(ResourceWarning, match="unclosed running multiprocessing pool"):
            del pool
        for worker in workers:
            worker.join(30)

        assert all(worker.exitcode is not None for worker in workers)

    @pytest.mark.parametrize("processes", [0, -1])
    def test_number_of_processes_is_checked(self, context: BaseContext, processes: int) -> None:
        """At least one."""
        with pytest.raises(ValueError, match="at least 1"):
            context.Pool(processes)

    def test_initializer_must_be_callable(self, context: BaseContext) -> None:
        """Told at once."""
        with pytest.raises(TypeError, match="callable"):
            context.Pool(1, initializer="no function")  # type: ignore[arg-type]

    @pytest.mark.parametrize("share", [0, -1, 0.5, "12"])
    def test_maxtasksperchild_is_checked(self, context: BaseContext, share: Any) -> None:
        """A positive int or None."""
        with pytest.raises(ValueError, match="maxtasksperchild"):
            context.Pool(1, maxtasksperchild=share)

    def test_chunksize_of_imap_is_checked(self, pool: Any) -> None:
        """At least one."""
        with pytest.raises(ValueError, match="Chunksize must be 1"):
            pool.imap(tasks.double, [1], chunksize=0)

    def test_attributes_that_programs_read(self, pool: Any) -> None:
        """The processes, their number, the context, the state."""
        assert pool._processes == 2
        assert len({process.pid for process in pool._pool}) == 2
        assert pool._state == "RUN"
        assert isinstance(pool._ctx, BaseContext)
        assert pool._initializer is None
        assert len(pool._cache) == 0
        assert repr(pool) == "<procession.pool.Pool state=RUN pool_size=2>"

    def test_pids_are_stable(self, pool: Any) -> None:
        """Nothing but a death changes the workers."""
        before = [process.pid for process in pool._pool]
        pool.map(tasks.double, range(1000))

        assert before == [process.pid for process in pool._pool]
        assert set(pool.map(tasks.pid_of_worker, range(100))) <= set(before)

    def test_threads_share_a_pool(self, pool: Any) -> None:
        """Calls of several threads go on side by side, each with its own result."""
        outcomes: dict[int, list[int]] = {}

        def call(number: int) -> None:
            for _ in range(10):
                outcomes[number] = pool.map(partial(operator.add, number), range(100))
                assert pool.apply(tasks.add, (number,)) == number + 1

        threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert outcomes == {number: [number + value for value in range(100)] for number in range(6)}
