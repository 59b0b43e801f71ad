"""Calls of one task in great number: most of them go a short way, and nobody can tell.

``apply_async`` of the same function again, with plain arguments and nothing else said, is begun
and ended in one step each (``TicketBook``).  Whatever else happens to such a call is the
engine's, as for any other.
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import weakref
from concurrent.futures import CancelledError
from contextlib import suppress
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest

from procession.errors import ProcessError, WorkerDied
from tests.contracts import pool_tasks as tasks
from tests.contracts.brief_pools import only_native, pool

__all__ = ["pool"]


@only_native
def test_the_next_call_goes_the_short_way(pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The maker of calls, whom every other call needs, has no hand in it."""

    def refuse(*_: Any) -> None:
        raise RuntimeError("asked for a call")

    monkeypatch.setattr(pool._calls, "apply", refuse)
    results = [pool.apply_async(tasks.double, (value,)) for value in range(100)]
    assert [result.get() for result in results] == [2 * value for value in range(100)]
    with pytest.raises(RuntimeError, match="asked for a call"):
        pool.apply_async(tasks.identity, (1,))


def test_all_kinds_of_calls_mix(pool: Any) -> None:
    """Other functions, keyword arguments, big and refused arguments, failures: each its own."""
    results = []
    for value in range(500):
        results.append(pool.apply_async(tasks.double, (value,)))
        results.append(pool.apply_async(tasks.add, (value,), {"second": value}))
        results.append(pool.apply_async(tasks.double, ([value],)))
        results.append(pool.apply_async(tasks.double, ("x" * value * 100,)))
    failed = pool.apply_async(tasks.raise_on, (5,)), pool.apply_async(tasks.raise_on, (5,))
    refused = pool.apply_async(tasks.raise_on, (threading.Lock(),))
    fine = pool.apply_async(tasks.raise_on, (4,))
    for value in range(500):
        single, added, listed, text = results[4 * value : 4 * value + 4]
        assert single.get() == added.get() == 2 * value
        assert listed.get() == [value, value]
        assert len(text.get()) == 200 * value
    for result in failed:
        with pytest.raises(ValueError, match="5"):
            result.get()
        assert not result.successful()
    with pytest.raises(TypeError):
        refused.get()
    assert fine.get() == 4
    assert not pool._cache


def test_what_one_call_says_is_its_own(pool: Any) -> None:
    """The next one of the same function has the pool's retries again."""
    for _ in range(2):
        with pytest.raises(WorkerDied) as once:
            pool.apply_async(tasks.die, (1,), retries=0).get(60)
        assert len(once.value.attempts) == 1
        with pytest.raises(WorkerDied) as twice:
            pool.apply_async(tasks.die, (1,)).get(60)
        assert len(twice.value.attempts) == 2


def test_results_may_be_dropped(pool: Any) -> None:
    """The tasks run, and nothing is kept of them."""
    for value in range(2000):
        pool.apply_async(tasks.double, (value,))
    pool.close()
    pool.join()
    assert not pool._cache


def test_threads_share_the_way(pool: Any) -> None:
    """Each gets its own results."""
    wrong: list[Any] = []

    def use(offset: int) -> None:
        for start in range(offset, offset + 2000, 50):
            values = range(start, start + 50)
            results = [pool.apply_async(tasks.double, (value,)) for value in values]
            found = [result.get(60) for result in results]
            if found != [2 * value for value in values]:
                wrong.append(found)

    threads = [threading.Thread(target=use, args=(10_000 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not pool._cache


def test_deaths_lose_nothing(pool: Any, tmp_path: Path) -> None:
    """What a killed worker held is run by others; who kills twice is told apart."""
    pool.apply_async(tasks.identity, (0,)).get()
    for round_ in range(20):
        results = [pool.apply_async(tasks.identity, (value,)) for value in range(300)]
        with suppress(ProcessLookupError):  # that of the last time was not replaced yet
            os.kill(pool._pool[round_ % 2].pid, signal.SIGKILL)
        assert [result.get(60) for result in results] == list(range(300))
    for value in (1, 2, 3):
        first = pool.apply_async(tasks.die_once, ((str(tmp_path), value),))
        assert first.get(60) == value
    pool.apply_async(tasks.die_on_three, (1,)).get(60)
    fatal = pool.apply_async(tasks.die_on_three, (3,))
    with pytest.raises(WorkerDied) as caught:
        fatal.get(60)
    assert len(caught.value.attempts) == 2
    assert not pool._cache


def test_cancelled_before_it_begins(any_context: BaseContext) -> None:
    """Those around it go on."""
    made: Any = any_context.Pool(1)
    with made as pool:
        pool.apply_async(tasks.nap_and_tell_pid, (0.0,)).get()
        blocked = pool.apply_async(tasks.nap_and_tell_pid, (0.3,))
        unwanted = pool.apply_async(tasks.nap_and_tell_pid, (0.0,))
        wanted = pool.apply_async(tasks.nap_and_tell_pid, (0.0,))
        assert unwanted.cancel()
        with pytest.raises(CancelledError):
            unwanted.get()
        assert blocked.get() == wanted.get()
        assert not pool._cache
    made.join()


def test_terminated_under_way(any_context: BaseContext) -> None:
    """Who waits is told; who comes later as well."""
    made: Any = any_context.Pool(1)
    made.apply_async(tasks.nap_and_tell_pid, (0.0,)).get()
    results = [made.apply_async(tasks.nap_and_tell_pid, (60.0,)) for _ in range(3)]
    made.terminate()
    made.join()
    for result in results:
        with pytest.raises(ProcessError):
            result.get()
    with pytest.raises(ValueError, match="not running"):
        made.apply_async(tasks.nap_and_tell_pid, (0.0,))
    for process in made._pool:
        process.close()


def test_closed_pool_takes_no_more(pool: Any) -> None:
    """And finishes what it has."""
    results = [pool.apply_async(tasks.double, (value,)) for value in range(1000)]
    pool.close()
    with pytest.raises(ValueError, match="not running"):
        pool.apply_async(tasks.double, (1,))
    assert [result.get(60) for result in results] == [2 * value for value in range(1000)]
    pool.join()


def test_forked_child_is_told(pool: Any) -> None:
    """The pool is its parent's."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            pool.apply_async(tasks.double, (1,))
        except RuntimeError as error:
            os.write(write, str(error).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with open(read, "rb") as pipe:
        assert b"cannot be used in its forked child" in pipe.read()
    assert pool.apply_async(tasks.double, (3,)).get() == 6


def test_a_result_is_one_object(pool: Any) -> None:
    """A dictionary for each would be as much again for the garbage collector to walk over."""
    results = [pool.apply_async(tasks.double, (value,)) for value in range(3)]
    assert [2 * value for value in range(3)] == [result.get() for result in results]
    held = [thing for result in results for thing in gc.get_referents(result)]
    assert [thing for thing in held if type(thing) is dict] == []
    results[1].remark = "still takes attributes"
    assert results[1].remark == "still takes attributes"


class _Noted(list[Any]):
    """A list that a weak reference can watch."""


def test_cycles_through_a_call_are_collected(pool: Any) -> None:
    """A result that is put into its own value, or into its own arguments, goes with them."""
    watched = []
    for _ in range(3):
        argument = [1]
        result = pool.apply_async(tasks.double, (argument,))
        value = result.get()
        mark = _Noted()
        watched.append(weakref.ref(mark))
        value.extend([result, mark])
        argument.extend([result, mark])
    del argument, result, value, mark
    gc.collect()
    assert [reference() for reference in watched] == [None] * 3


def test_cycles_through_a_result_are_collected(pool: Any) -> None:
    """A result that holds itself by an attribute goes with what it holds."""
    watched = []
    for _ in range(3):
        result = pool.apply_async(tasks.double, (1,))
        assert result.get() == 2
        result.mark = _Noted([result])
        watched.append(weakref.ref(result.mark))
    del result
    gc.collect()
    assert [reference() for reference in watched] == [None] * 3
