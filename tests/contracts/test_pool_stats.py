"""``pool.stats()``: what a pool has done, under every start method."""

from __future__ import annotations

import itertools
import os
import pickle
import threading
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest

from procession._engine.errors import TaskTimeoutError, WorkerDied
from procession._engine.ipc import transport
from procession.pool import PoolStats, WorkerStats
from tests.contracts import pool_feature_tasks as tasks
from tests.contracts.pool_contract import pool
from tests.contracts.pools import pids
from tests.waiting import wait_until

__all__ = ["pool"]

COUNTS_BYTES = transport.NAME == "native"


def figures(pool: Any) -> PoolStats:
    stats: PoolStats = pool.stats()
    return stats


class TestTasks:
    """Each task counts once, whatever its method and its end."""

    def test_of_every_method(self, pool: Any) -> None:
        """Also those that raise, and those whose argument cannot be pickled."""
        assert figures(pool)[:5] == (0, 0, 0, 0, 0)
        pool.map(tasks.nap, [0.0] * 100)
        pool.starmap(tasks.nap, [(0.0,)] * 10)
        list(pool.imap(tasks.nap, [0.0] * 10))
        list(pool.imap_unordered(tasks.nap, iter([0.0] * 10)))
        pool.apply(tasks.nap, (0.0,))
        pool.apply(tasks.nap, (), {"seconds": 0.0})
        pool.map_async(tasks.nap, [0.0] * 10, callback=len).get(30)
        with pytest.raises(TypeError):
            pool.apply(tasks.nap, ("long",))
        with pytest.raises(TypeError):
            pool.map(tasks.nap, [threading.Lock()] * 2)

        stats = figures(pool)
        assert stats[:5] == (145, 0, 0, 0, 0)
        assert stats.tasks_done - 2 == sum(worker.tasks for worker in stats.workers)

    def test_those_that_are_sent_again_count_when_they_end(self, pool: Any) -> None:
        """A message of which one item, or one result, cannot be unpickled is divided."""
        values = [tasks.opens_nowhere(), *range(20)]
        assert len(pool.map(tasks.give_back, values, chunksize=7, on_error="return")) == 21
        assert len(pool.map(tasks.spoil_zero, range(20), chunksize=5, on_error="return")) == 20

        assert figures(pool)[:2] == (41, 0)

    def test_those_under_way(self, pool: Any) -> None:
        """Sent and not ended: running, or waiting for a worker."""
        result = pool.map_async(tasks.wait_if_negative, [-1] * 4, chunksize=1)
        assert figures(pool)[:2] == (0, 4)

        assert result.cancel(running=True)
        assert pool.apply(tasks.nap, (0.0,)) == 0.0
        assert figures(pool)[:2] == (1, 0)

    def test_nobody_needs_to_wait_for_results(self, pool: Any) -> None:
        """Who asks again and again sees tasks end."""
        results = [pool.apply_async(tasks.nap, (0.0,)) for _ in range(5)]
        wait_until(lambda: figures(pool).tasks_done == 5)
        assert all(result.ready() for result in results)


class TestDeaths:
    """Deaths and retries."""

    def test_a_task_that_is_run_once_more(self, pool: Any, tmp_path: Path) -> None:
        """One death, one retry; the task counts once."""
        path = str(tmp_path / "tried")
        assert pool.apply(tasks.die_first, (path, 3)) == 3
        assert figures(pool)[:5] == (1, 0, 1, 1, 1)

    def test_a_task_that_kills_again(self, pool: Any) -> None:
        """Its end is an error, and no retry; the others of its message were never lost."""
        with pytest.raises(WorkerDied):
            pool.apply(os._exit, (0,))
        assert figures(pool)[:5] == (1, 0, 1, 2, 2)
        with pytest.raises(WorkerDied):
            pool.apply(os._exit, (1,), retries=0)
        assert figures(pool)[:5] == (2, 0, 1, 3, 3)

    def test_those_that_had_not_begun_are_no_retries(self, pool: Any) -> None:
        """They are run by another worker, for the first time."""
        results = pool.map(
            tasks.exit_if_negative, [-1, *range(9)], chunksize=10, retries=0, on_error="return"
        )
        assert results[1:] == list(range(9))
        assert figures(pool)[:5] == (10, 0, 0, 1, 1)

    def test_workers_that_we_end_are_no_deaths(self, pool: Any) -> None:
        """Those of tasks that ran over, or were cancelled; they are replaced."""
        with pytest.raises(TaskTimeoutError):
            pool.apply(tasks.deaf_if_negative, (-1,), timeout=0.2)
        assert figures(pool)[:5] == (1, 0, 0, 0, 1)

    def test_what_the_dead_counted_is_kept(self, context: BaseContext) -> None:
        """The sums are of all workers; a replacement begins with zeros."""
        with context.Pool(1, maxtasksperchild=2) as pool:
            for _ in range(6):
                pool.apply(tasks.nap, (0.01,))
            wait_until(lambda: pool.apply(tasks.nap, (0.0,)) == 0.0 and figures(pool).replaced >= 3)
            stats = figures(pool)

        (worker,) = stats.workers
        assert worker.tasks <= 2
        assert stats.seconds_working >= 0.06
        assert stats.seconds_waiting > worker.seconds_waiting
        assert (stats.retries, stats.deaths) == (0, 0)


class TestFigures:
    """What is told of bytes, times and workers."""

    def test_bytes(self, pool: Any) -> None:
        """Everything that moves counts, with its size in memory; or None where nobody counts."""
        pool.map(tasks.give_back, [bytes(1_000_000)] * 4)
        stats = figures(pool)
        if COUNTS_BYTES:
            assert 4_000_000 < (stats.bytes_to_workers or 0) < 4_100_000
            assert 4_000_000 < (stats.bytes_from_workers or 0) < 4_100_000
            assert sum(worker.bytes_in or 0 for worker in stats.workers) == stats.bytes_to_workers
            wait_until(
                lambda: (
                    sum(worker.bytes_out or 0 for worker in figures(pool).workers)
                    == stats.bytes_from_workers
                )
            )
        else:
            assert stats.bytes_to_workers is stats.bytes_from_workers is None
            assert stats.workers[0].bytes_in is stats.workers[0].bytes_out is None

    def test_workers(self, pool: Any) -> None:
        """One line for each, by slot, with its process id and its times."""
        pool.map(tasks.nap, [0.02] * 10, chunksize=1)
        stats = figures(pool)

        assert [worker.slot for worker in stats.workers] == [0, 1]
        assert [worker.pid for worker in stats.workers] == pids(pool)
        assert sum(worker.tasks for worker in stats.workers) == 10
        assert stats.seconds_working == pytest.approx(
            sum(worker.seconds_working for worker in stats.workers)
        )
        assert stats.seconds_working >= 0.2
        assert all(worker.seconds_waiting > 0 for worker in stats.workers if worker.tasks)
        assert all(worker.seconds_packing > 0 for worker in stats.workers if worker.tasks)

    def test_they_are_a_plain_object(self, pool: Any) -> None:
        """It can be pickled, compared and read."""
        stats = figures(pool)
        assert pickle.loads(pickle.dumps(stats)) == stats
        assert isinstance(stats.workers[0], WorkerStats)
        assert repr(stats).startswith("PoolStats(tasks_done=0, tasks_in_flight=0, ")


class TestAtAnyTime:
    """From any thread, also when the pool has ended."""

    @pytest.mark.parametrize("end", ["join", "terminate"])
    def test_the_last_figures_stay(self, pool: Any, end: str) -> None:
        """After the end they are what they were."""
        pool.map(tasks.nap, [0.0] * 20)
        before = figures(pool)
        if end == "join":
            pool.close()
            assert figures(pool)[:5] == (20, 0, 0, 0, 0)
            pool.join()
        else:
            pool.apply_async(tasks.wait_if_negative, (-1,))
            pool.terminate()

        after = figures(pool)
        assert after[:5] == (20, 0, 0, 0, 0)
        assert after.seconds_working >= before.seconds_working
        assert [worker.pid for worker in after.workers] == [worker.pid for worker in before.workers]
        assert figures(pool) == after

    def test_while_the_pool_works_and_its_workers_die(self, pool: Any) -> None:
        """Numbers of tasks and times only grow, and nothing is lost."""
        seen: list[PoolStats] = []
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.001):
                seen.append(figures(pool))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            pool.map(tasks.exit_if_negative, [-1, *range(200)] * 5, retries=0, on_error="return")
        finally:
            over.set()
            watcher.join()
        seen.append(figures(pool))

        assert seen[-1][:4] == (1005, 0, 0, 5)
        for earlier, later in itertools.pairwise(seen):
            assert earlier.tasks_done <= later.tasks_done <= 1005
            assert earlier.seconds_working <= later.seconds_working
