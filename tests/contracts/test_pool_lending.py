"""Functions that carry queues, connections and locks to the workers of a pool."""

from __future__ import annotations

from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest

from procession._engine.ipc import transport
from tests.contracts import lending_tasks as tasks
from tests.contracts.pools import ended
from tests.waiting import HANG_GUARD_SECONDS

NATIVE = transport.OUT_OF_BAND_BUFFERS


def test_each_worker_gets_the_queues_of_a_function(context: BaseContext) -> None:
    """A function that carries queues may be run by all workers at the same time."""
    here, go = context.Queue(), context.Queue()
    with ended(context.Pool(2), in_order=True) as pool:
        result = pool.map_async(partial(tasks.report_and_wait, here, go), range(2), 1)
        seen = {here.get(timeout=HANG_GUARD_SECONDS) for _ in range(2)}
        assert len(seen) == 2
        go.put(1)
        go.put(2)
        assert sorted(result.get(HANG_GUARD_SECONDS)) == [1, 2]
    for queue in (here, go):
        queue.close()


def test_a_worker_that_follows_a_dead_one_gets_them(context: BaseContext, tmp_path: Path) -> None:
    """A call goes on with its queue when the worker that had read its function is killed."""
    queue = context.Queue()
    with ended(context.Pool(1), in_order=True) as pool:
        task = partial(tasks.put_and_die_once, queue, str(tmp_path / "died"))
        assert pool.map_async(task, range(3), 1).get(HANG_GUARD_SECONDS) == [0, 1, 2]
    assert sorted(queue.get() for _ in range(4)) == [0, 0, 1, 2]
    queue.close()


@pytest.mark.skipif(not NATIVE, reason="the standard library's connections are taken once")
def test_each_worker_gets_the_connection_of_a_function(context: BaseContext) -> None:
    """A function that carries a connection may be run by all workers at the same time."""
    ours, theirs = context.Pipe()
    go = context.Queue()
    with ended(context.Pool(2), in_order=True) as pool:
        result = pool.map_async(partial(tasks.send_and_wait, theirs, go), range(2), 1)
        assert len({ours.recv() for _ in range(2)}) == 2
        go.put(1)
        go.put(2)
        assert sorted(result.get(HANG_GUARD_SECONDS)) == [1, 2]
    go.close()
    ours.close()
    theirs.close()


def test_calls_that_fail_or_are_left_give_back_what_they_lent(context: BaseContext) -> None:
    """No descriptor stays open for a call that has ended, however it ended."""
    queue, never = context.Queue(), context.Queue()
    with ended(context.Pool(2)) as pool:
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                pool.map(partial(tasks.divide_and_put, queue), range(20), 1)
        next(pool.imap(partial(tasks.report_and_wait, queue, queue), iter(range(10**9))))
        pool.map_async(partial(tasks.report_and_wait, queue, never), range(20), 1)
    for each in (queue, never):
        each.close()


@pytest.mark.skipif(not NATIVE, reason="locks travel on Linux only")
def test_a_closure_over_a_lock_may_be_mapped(context: BaseContext) -> None:
    """Locks travel in functions, to as many workers as there are."""
    lock: Any = context.Lock()

    def guarded(number: int) -> int:
        with lock:
            return number

    with ended(context.Pool(2), in_order=True) as pool:
        assert pool.map(guarded, range(40), 1) == list(range(40))
    assert lock.acquire(block=False)
    lock.release()


def test_a_big_function_may_carry_a_queue(context: BaseContext) -> None:
    """What is written into a file for all workers is lent just so."""
    queue, block = context.Queue(), bytes(range(256)) * 4000
    with ended(context.Pool(2), in_order=True) as pool:
        assert pool.map(partial(tasks.put_last_of, queue, block), range(40), 1) == [255] * 40
    assert sorted(queue.get() for _ in range(40)) == list(range(40))
    queue.close()
