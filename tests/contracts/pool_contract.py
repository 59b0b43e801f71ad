"""What a Pool promises, under every start method: the standard interface, and what it adds.

``test_pool.py`` instantiates the classes; deaths of workers are in ``test_pool_deaths.py``.
"""

from __future__ import annotations

import itertools
import multiprocessing
import multiprocessing.pool
import operator
import os
import pickle
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from procession._engine.errors import ProcessError, RemoteError
from procession.pool import MaybeEncodingError, RemoteTraceback
from tests.contracts import pool_tasks as tasks
from tests.contracts.conftest import HANG_GUARD_SECONDS


@pytest.fixture
def pool(context: BaseContext) -> Iterator[Any]:
    """A pool of two workers; it is ended with the test."""
    made = context.Pool(2)
    yield made
    made.terminate()
    made.join()
    for process in made._pool:
        process.close()


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
        """Nobody waits for ever for what was terminated."""
        pool = context.Pool(2)
        result = pool.map_async(time.sleep, [60] * 10)
        iterated = pool.imap(time.sleep, [60] * 10)
        begun = time.monotonic()
        pool.terminate()
        pool.join()

        assert time.monotonic() - begun < 30
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


class WhateverUsersThrowAtIt:
    """Each ends in a clear result, and the pool goes on."""

    @pytest.fixture(autouse=True)
    def _goes_on(self, pool: Any) -> Iterator[None]:
        """After each test the same pool still works."""
        yield
        assert pool.map(tasks.double, range(10)) == [2 * value for value in range(10)]

    def test_exception_carries_the_remote_traceback(self, pool: Any) -> None:
        """As itself, with its traceback in the worker as cause."""
        with pytest.raises(ValueError, match="bad value 5") as caught:
            pool.map(tasks.raise_on, range(10))

        assert isinstance(caught.value.__cause__, RemoteTraceback)
        assert 'raise ValueError(f"bad value {value}")' in str(caught.value.__cause__)
        for note in getattr(caught.value, "__notes__", ["task 5 of map(raise_on)"]):
            assert "task 5 of map(raise_on)" in note

    @pytest.mark.parametrize("retries", [0, 1])
    @pytest.mark.parametrize("method", ["map", "imap", "imap_unordered"])
    def test_results_of_many_kinds_in_one_chunk(self, pool: Any, method: str, retries: int) -> None:
        """All of them come, plain ones and those that have to be opened."""
        call = getattr(pool, method)
        results = list(call(tasks.set_if_even, range(1000), 10, retries=retries))
        if method == "imap_unordered":
            results.sort(key=lambda each: min(each) if isinstance(each, set) else each)
        assert results == [tasks.set_if_even(value) for value in range(1000)]

    def test_first_exception_in_order_is_raised(self, pool: Any) -> None:
        """Whichever came first in time."""
        with pytest.raises(ZeroDivisionError):
            pool.starmap(operator.truediv, [(1, 1), (1, 0), ("x", 1)], chunksize=1)

    def test_exceptions_of_iterators_come_in_their_places(self, pool: Any) -> None:
        """The iterator goes on after them."""
        results = pool.imap(tasks.raise_on_two, range(4))

        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="bad value 2"):
            next(results)
        assert list(results) == [3]

    def test_exceptions_in_place_of_results(self, pool: Any) -> None:
        """``on_error="return"`` keeps what succeeded."""
        values = pool.map(tasks.raise_on_two, range(4), on_error="return")

        assert [values[0], values[1], values[3]] == [0, 1, 3]
        assert isinstance(values[2], ValueError)

    def test_exception_that_cannot_be_built_again(self, pool: Any) -> None:
        """Arrives as RemoteError, with type, text and traceback."""
        with pytest.raises(RemoteError, match="NeedsTwo: one") as caught:
            pool.map(tasks.raise_unbuildable, range(3))

        assert caught.value.type_name.endswith("NeedsTwo")
        assert "raise NeedsTwo" in caught.value.remote_traceback

    def test_exception_that_cannot_be_pickled(self, pool: Any) -> None:
        """The same."""
        with pytest.raises(RemoteError, match="WithLambda: has a lambda"):
            pool.apply(tasks.raise_unpicklable, (1,))

    @pytest.mark.parametrize(
        ("function", "name"), [(tasks.leave, "SystemExit"), (tasks.interrupt, "KeyboardInterrupt")]
    )
    def test_what_would_end_the_program(self, pool: Any, function: Any, name: str) -> None:
        """Does not end the caller's: it is an error that names it."""
        with pytest.raises(RemoteError, match=name):
            pool.apply(function, (3,))

    def test_recursion_and_memory_errors(self, pool: Any) -> None:
        """Are exceptions like others."""
        with pytest.raises(RecursionError):
            pool.apply(tasks.recurse, (0,))
        with pytest.raises(MemoryError):
            pool.apply(tasks.out_of_memory, (0,))

    def test_unpicklable_argument(self, pool: Any) -> None:
        """The reason is raised; the other tasks are done."""
        with pytest.raises(RuntimeError, match="cannot be pickled"):
            pool.map(tasks.identity, [1, tasks.Unpicklable(), 3])
        with pytest.raises(RuntimeError, match="cannot be pickled"):
            pool.apply(tasks.identity, (tasks.Unpicklable(),))
        values = pool.map(tasks.identity, [1, tasks.Unpicklable(), 3], on_error="return")
        assert [values[0], values[2]] == [1, 3]

    def test_argument_that_cannot_be_opened(self, pool: Any) -> None:
        """Fails that task alone."""
        values = pool.map(tasks.identity, [1, tasks.Unopenable(), 3], 3, on_error="return")

        assert [values[0], values[2]] == [1, 3]
        assert isinstance(values[1], LookupError)

    def test_unpicklable_function(self, pool: Any) -> None:
        """The reason is raised by the call's result, for every kind of call."""
        with pytest.raises(RuntimeError, match="cannot be pickled"):
            pool.map(tasks.Unpicklable(), [1, 2])
        with pytest.raises(RuntimeError, match="cannot be pickled"):
            next(pool.imap(tasks.Unpicklable(), [1, 2]))
        with pytest.raises(RuntimeError, match="cannot be pickled"):
            pool.apply_async(tasks.Unpicklable()).get(30)

    def test_function_that_cannot_be_opened(self, pool: Any) -> None:
        """All tasks of the call fail."""
        with pytest.raises(LookupError, match="cannot be opened"):
            pool.map(tasks.Unopenable(), [1, 2])

    def test_unpicklable_result(self, pool: Any) -> None:
        """MaybeEncodingError, as in the standard library; others are not touched."""
        with pytest.raises(MaybeEncodingError):
            pool.apply(tasks.give_generator, (1,))
        with pytest.raises(MaybeEncodingError):
            pool.map(tasks.give_generator, [1, 2])

    def test_result_that_cannot_be_opened(self, pool: Any) -> None:
        """The reason is raised."""
        with pytest.raises(LookupError, match="cannot be opened"):
            pool.apply(tasks.give_unopenable, (1,))

    @pytest.mark.parametrize("method", ["map", "imap", "imap_unordered"])
    def test_result_that_cannot_be_opened_fails_alone(self, pool: Any, method: str) -> None:
        """Those that travelled in one message with it arrive."""
        results = list(
            getattr(pool, method)(tasks.broken_if_seven, range(20), 10, on_error="return")
        )
        errors = [result for result in results if isinstance(result, LookupError)]
        assert len(errors) == 1
        assert sorted(min(result) for result in results if isinstance(result, set)) == [
            value for value in range(20) if value != 7
        ]
        with pytest.raises(LookupError, match="cannot be opened"):
            pool.map(tasks.broken_if_seven, range(20), 10)

    @pytest.mark.parametrize("kind", [SystemExit, GeneratorExit])
    @pytest.mark.parametrize("method", ["map", "imap_unordered"])
    def test_objects_that_would_end_the_program(
        self, pool: Any, method: str, kind: type[BaseException]
    ) -> None:
        """Pickled or opened, as argument or result: their tasks fail alone, the pool goes on."""
        call = getattr(pool, method)
        for opening in (False, True):
            spiteful = tasks.Spiteful(kind, opening)
            arguments = call(tasks.double, [1, spiteful, 3], on_error="return")
            assert sorted(each for each in arguments if isinstance(each, int)) == [2, 6]
            with pytest.raises(Exception, match="out of spite"):
                list(call(tasks.give_spiteful, [(kind, opening)]))
        assert pool.map_async(tasks.double, range(9)).get(HANG_GUARD_SECONDS)[8] == 16

    def test_result_that_interrupts_when_opened(self, pool: Any) -> None:
        """It cannot be told from Ctrl-C, and is raised; later calls do not suffer."""
        with pytest.raises(KeyboardInterrupt):
            pool.map(tasks.give_spiteful, [(KeyboardInterrupt, True)])
        for _ in range(3):
            with suppress(KeyboardInterrupt):
                assert pool.apply(tasks.double, (3,)) == 6
        assert pool.apply(tasks.double, (3,)) == 6
        with pytest.raises(KeyboardInterrupt):
            pool.map(tasks.double, [tasks.Spiteful(KeyboardInterrupt, opening=False)])
        assert pool.map(tasks.double, range(3)) == [0, 2, 4]

    def test_exception_whose_text_would_end_the_program(self, pool: Any) -> None:
        """Its task fails with it, and its worker stays."""
        workers = [process.pid for process in pool._pool]
        with pytest.raises(tasks.SpitefulText):
            pool.apply(tasks.raise_spiteful_text, (1,))
        assert [process.pid for process in pool._pool] == workers

    @pytest.mark.parametrize("method", ["map", "imap_unordered"])
    def test_result_that_uses_the_pool_when_opened(self, pool: Any, method: str) -> None:
        """It gets what it asks for, also where several came together."""
        tasks.UsesPool.pool = pool
        try:
            results = list(getattr(pool, method)(tasks.give_pool_user, range(30)))
        finally:
            tasks.UsesPool.pool = None
        assert [result.found for result in results] == [8] * 30

    def test_input_that_exits(self, pool: Any) -> None:
        """An iterator gives what came before, then raises SystemExit, and the pool goes on."""
        results = pool.imap(tasks.double, tasks.exiting_after(3))
        assert [next(results) for _ in range(3)] == [0, 2, 4]
        with pytest.raises(SystemExit, match="the input exits"):
            next(results)
        assert pool.apply(tasks.double, (4,)) == 8

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_fork_that_comes_back_from_a_task_is_no_worker(self, pool: Any) -> None:
        """It ends; each result comes once, and the pool goes on with its own workers."""
        workers = [process.pid for process in pool._pool]
        assert pool.map(tasks.fork_and_come_back, range(8), 1) == list(range(8))
        assert pool.map(tasks.double, range(8)) == [2 * value for value in range(8)]
        assert [process.pid for process in pool._pool] == workers

    def test_lambdas_and_closures(self, pool: Any) -> None:
        """Travel by value."""
        number = 5

        assert pool.map(lambda value: value + number, range(3)) == [5, 6, 7]

    def test_input_that_raises(self, pool: Any) -> None:
        """``map`` raises it; an iterator gives what came before, then raises it."""
        with pytest.raises(RuntimeError, match="ends badly"):
            pool.map(tasks.double, tasks.raising_after(3))
        results = pool.imap(tasks.double, tasks.raising_after(3))

        assert [next(results) for _ in range(3)] == [0, 2, 4]
        with pytest.raises(RuntimeError, match="ends badly"):
            next(results)
        with pytest.raises(StopIteration):
            next(results)

    def test_endless_input(self, pool: Any) -> None:
        """Is read only a bounded way ahead of the results taken."""
        results = pool.imap(tasks.double, itertools.count(), buffersize=10)

        assert [next(results) for _ in range(50)] == [2 * value for value in range(50)]

    def test_buffersize_bounds_what_is_read(self, pool: Any) -> None:
        """Never more than so many items ahead."""
        seen: list[int] = []
        results = pool.imap(tasks.double, tasks.counting(1000, seen), buffersize=8)
        for taken, _ in enumerate(itertools.islice(results, 100), 1):
            assert len(seen) <= taken + 8

    def test_input_that_waits_for_the_results(self, pool: Any) -> None:
        """Who takes results is not kept from it by an input that waits."""
        taken = threading.Semaphore(1)

        def patient() -> Iterator[int]:
            for value in range(20):
                taken.acquire()
                yield value

        for _ in pool.imap(tasks.double, patient()):
            taken.release()

    def test_chained_iterators(self, pool: Any) -> None:
        """The results of one are the input of the next."""
        inner = pool.imap(tasks.double, range(500))

        assert list(pool.imap(tasks.double, inner)) == [4 * value for value in range(500)]

    def test_single_results_are_not_held_back(self, pool: Any) -> None:
        """Quick results come although a task that was sent with them does not end."""
        results = pool.imap_unordered(tasks.tiny_or_slow, range(41))
        quick = {results.next(timeout=30) for _ in range(30)}

        assert 40 not in quick

    def test_tasks_that_fork_start_threads_and_change_signals(self, pool: Any) -> None:
        """A task may do to its process what it likes."""
        assert pool.apply(tasks.fork_and_wait, (1,)) == 3
        assert pool.apply(tasks.start_thread, (1,)) == 7
        assert pool.apply(tasks.change_signals, (1,)) == "changed"

    def test_pool_within_a_worker(self, pool: Any) -> None:
        """Works, although workers say that they are daemons."""
        assert pool.apply(tasks.is_daemon, (1,))
        assert pool.apply(tasks.pool_within, ([1, 2, 3],)) == [2, 4, 6]

    def test_interrupt_of_a_task(self, pool: Any) -> None:
        """SIGINT in a worker interrupts its task alone."""
        with pytest.raises(RemoteError, match="KeyboardInterrupt"):
            pool.apply(tasks.interrupt_self, (1,))

    def test_big_arguments_and_results(self, pool: Any) -> None:
        """Megabytes travel both ways."""
        block = bytes(range(256)) * 40_000

        assert pool.map(tasks.identity, [block] * 4) == [block] * 4

    def test_big_function(self, pool: Any) -> None:
        """A function that is big by itself is sent once."""
        block = bytes(range(256)) * 40_000

        assert pool.map(partial(operator.contains, block), [b"\0\1", b"\1\0"]) == [True, False]

    def test_big_function_again(self, pool: Any) -> None:
        """Each call's function is as it is then, whatever an earlier call's did to its own."""
        block = bytearray(range(256)) * 4000

        for last in (255, 255, 7, 7):
            block[-1] = last
            calls = [pool.map(partial(tasks.add_to_last, block), [1]) for _ in range(2)]
            assert calls == [[last + 1 & 255]] * 2

    def test_surrogates(self, pool: Any) -> None:
        """Text that UTF-8 cannot say comes through."""
        assert pool.map(tasks.double, ["\ud800", "ok"], 1) == ["\ud800\ud800", "okok"]
        assert pool.apply(tasks.double, ("\ud800",)) == "\ud800\ud800"
