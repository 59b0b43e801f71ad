"""What users may do to a Pool, under every start method: it ends in a clear result."""

from __future__ import annotations

import itertools
import operator
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from procession._engine.errors import RemoteError
from procession.pool import MaybeEncodingError, RemoteTraceback
from tests.contracts import pool_tasks as tasks
from tests.waiting import HANG_GUARD_SECONDS


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

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_fork_that_comes_back_begins_no_other_task(self, pool: Any, tmp_path: Path) -> None:
        """Though its message has more of them."""
        folder, values = str(tmp_path), range(20)
        forking = tasks.fork_and_wait_for_what_comes_back
        assert pool.map(forking, [(folder, value) for value in values], 20) == list(values)
        assert [tasks.attempts(folder, value) for value in values] == [1] * 20

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
