"""Calls that go the short way are made when somebody looks at them, and nobody can tell.

Until then there is only what travels and what the user holds (``BriefChunk``, ``PendingResult``).
Looking is what a death does, a cancellation, the end of the pool, or the user.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from procession._engine.pool.calls import numbers
from procession._engine.pool.results import ApplyResult
from procession.errors import ProcessError, WorkerDied
from tests.contracts import pool_tasks as tasks
from tests.contracts.brief_pools import only_native, pool
from tests.contracts.pools import pids

__all__ = ["pool"]


@contextmanager
def stopped(pool: Any) -> Iterator[None]:
    """No worker goes on meanwhile."""
    workers = pids(pool)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in workers:
            with suppress(ProcessLookupError):  # it was killed meanwhile
                os.kill(pid, signal.SIGCONT)


@only_native
def test_a_waiting_call_is_one_object_for_the_collector(pool: Any) -> None:
    """How often it runs depends on how many there are: the result only, not even the arguments."""
    gc.collect()
    gc.disable()
    try:
        before = gc.get_count()[0]
        with stopped(pool):
            results = [pool.apply_async(tasks.double, (value,)) for value in range(500)]
            counted = gc.get_count()[0] - before
    finally:
        gc.enable()
    assert [result.get() for result in results] == [2 * value for value in range(500)]
    assert 500 <= counted < 600


def test_calls_under_way_can_be_seen(pool: Any) -> None:
    """In the table that programs read, where a result finds itself."""
    with stopped(pool):
        results = [pool.apply_async(tasks.double, (value,)) for value in range(10)]
        results += [pool.apply_async(tasks.double, ([value],)) for value in range(10)]
        later = [pool.apply_async(tasks.double, (value,)) for value in range(10)]
        assert len(pool._cache) == 30
        assert len({result._job for result in results}) == 20
        assert all(result._job in result._cache for result in results)
        assert pool.stats().tasks_in_flight == 30
    assert [result.get() for result in later] == [2 * value for value in range(10)]
    assert [result.get() for result in results[:10]] == [2 * value for value in range(10)]
    assert [result.get() for result in results[10:]] == [[value] * 2 for value in range(10)]
    assert not pool._cache


def test_results_answer_before_and_after(pool: Any) -> None:
    """What is asked of one that has not ended, and of the same one when it has."""
    with stopped(pool):
        result = pool.apply_async(tasks.double, (4,))
        other = pool.apply_async(tasks.double, (5,))
        assert not result.ready()
        assert not result.cancelled()
        result.wait(0.01)
        with pytest.raises(multiprocessing.TimeoutError, match=r"apply\(double\) has not ended"):
            result.get(0.01)
        with pytest.raises(ValueError, match="not ready"):
            other.successful()
        with pytest.raises(TypeError):
            result.get("soon")
    assert result.get(timeout=60) == result.get(60) == 8
    other.wait()
    assert other.ready()
    assert other.successful()
    assert not other.cancelled()
    assert not other.cancel()
    assert other.get() == 10


def test_a_subclass_may_wait_in_its_own_way(pool: Any) -> None:
    """``get()`` waits by ``wait()``, as the standard library's."""
    waits = []

    class Patient(ApplyResult):
        def wait(self, timeout: float | None = None) -> None:
            waits.append(timeout)
            super().wait(timeout)

    with stopped(pool):
        plain = pool.apply_async(tasks.double, (6,))
        mine = Patient(plain._pool, plain._engine, plain._call)
        with pytest.raises(multiprocessing.TimeoutError):
            mine.get(0.01)
    assert mine.get(60) == plain.get() == 12
    assert waits[0] == 0.01


def test_arguments_are_as_they_were(pool: Any) -> None:
    """None, one or several of them, also for those who come after a death."""
    pool.apply_async(tasks.add, (1, 1)).get()
    assert [pool.apply_async(tasks.add, (value, 2)).get() for value in range(5)] == [2, 3, 4, 5, 6]
    pool.apply_async(tasks.remembered, ()).get()
    assert pool.apply_async(tasks.remembered, ()).get() == []
    pool.apply_async(tasks.die_on_three, (1,)).get()
    with pytest.raises(WorkerDied, match=r"die_on_three\(3\)"):
        pool.apply_async(tasks.die_on_three, (3,)).get(60)
    with stopped(pool):
        results = [pool.apply_async(tasks.add, (value, value)) for value in range(50)]
        results += [pool.apply_async(tasks.add, ([value], [value])) for value in range(50)]
        os.kill(pool._pool[0].pid, signal.SIGKILL)
    found = [result.get(60) for result in results]
    assert found == [2 * value for value in range(50)] + [[value] * 2 for value in range(50)]


def test_death_in_a_closed_pool_loses_nothing(pool: Any) -> None:
    """Calls that nobody had looked at before the close are sent again like any other."""
    pool.apply_async(tasks.identity, (0,)).get()
    with stopped(pool):
        results = [pool.apply_async(tasks.identity, (value,)) for value in range(200)]
        pool.close()
        for process in list(pool._pool):
            os.kill(process.pid, signal.SIGKILL)
    pool.join()
    assert [result.get(60) for result in results] == list(range(200))


def test_failures_are_of_their_own_call(pool: Any) -> None:
    """An exception, also StopIteration, and a value that is opened by the user's class."""
    pool.apply_async(tasks.raise_on, (1,)).get()
    pool.apply_async(next, (iter(()), 7)).get()
    pool.apply_async(tasks.double, (1,)).get()
    results = [pool.apply_async(tasks.raise_on, (value,)) for value in (4, 5, 6)]
    assert (results[0].get(), results[2].get()) == (4, 6)
    with pytest.raises(ValueError, match="5"):
        results[1].get()
    assert [result.successful() for result in results] == [True, False, True]
    pool.apply_async(tasks.give_stop, (1,)).get()
    with pytest.raises(StopIteration):
        pool.apply_async(tasks.give_stop, (0,)).get()
    assert not pool._cache


def test_cancelled_and_terminated_unseen(any_context: BaseContext) -> None:
    """Both find calls that nobody has looked at."""
    made: Any = any_context.Pool(1)
    made.apply_async(tasks.double, (1,)).get()
    with stopped(made):
        results = [made.apply_async(tasks.double, (value,)) for value in range(100)]
        assert results[99].cancel()
        assert results[99].cancelled()
        with pytest.raises(CancelledError):
            results[99].get()
        made.terminate()
    made.join()
    for result in results[:99]:
        with pytest.raises(ProcessError):
            result.get()
    assert not made._cache
    for process in made._pool:
        process.close()


@only_native
def test_another_function_in_between_changes_nothing(pool: Any) -> None:
    """While a call waits for the engine's lock the next one, of another function, may be made."""
    engine = pool._engine
    others: list[Any] = []

    def acquire(blocking: bool = True) -> bool:
        if blocking and not others:
            others.append(None)  # once
            others.append(pool.apply_async(tasks.identity, (5,)))
        return bool(engine.lock.acquire(blocking))

    engine._ledger.lay_short_way(
        acquire,
        engine.lock.release,
        engine.calls,
        numbers,
        engine.feeder.take_back_brief,
        ApplyResult,
    )
    assert pool.apply_async(tasks.double, (3,)).get() == 6
    assert others[1].get() == 5


def test_forked_child_has_what_had_ended(pool: Any) -> None:
    """And is told of the rest."""
    done = pool.apply_async(tasks.double, (1,))
    done.wait()
    with stopped(pool):
        waiting = pool.apply_async(tasks.double, (2,))
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(write, str(done.get()).encode())
                waiting.get()
            except RuntimeError as error:
                os.write(write, str(error).encode())
            os._exit(0)
        os.waitpid(pid, 0)
    os.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read()
    assert said.startswith(b"2")
    assert b"cannot be used in its forked child" in said
    assert waiting.get() == 4


class _Noted(list[Any]):
    """A list that a weak reference can watch."""


def test_cycles_through_values_and_errors_are_collected(pool: Any) -> None:
    """A result that its own value or exception leads to, whether or not anybody looked at it."""
    watched = []
    for looks in (False, True):
        pool.apply_async(list, ("a",)).get()
        result = pool.apply_async(list, ("ab",))
        if looks:
            assert result._job
        mark = _Noted()
        result.get().extend([result, mark])
        watched.append(weakref.ref(mark))
        pool.apply_async(tasks.raise_on, (1,)).get()
        failed = pool.apply_async(tasks.raise_on, (5,))
        failed.wait()
        error = failed._call.error
        error.result, error.mark = failed, _Noted()
        watched.append(weakref.ref(error.mark))
    del result, mark, failed, error
    gc.collect()
    assert [reference() for reference in watched] == [None] * 4


@only_native
def test_a_value_that_somebody_shares_is_not_collected(pool: Any) -> None:
    """The collector may not take what it sees in a result for the result's alone."""
    pool.apply_async(list, ("a",)).get()
    result = pool.apply_async(list, ("abc",))
    value = result.get()
    value.append(result)
    del result
    gc.collect()
    again = value[3]
    assert again.get() is value
    assert value[:3] == ["a", "b", "c"]
    value.clear()
