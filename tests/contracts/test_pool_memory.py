"""``max_memory_per_child=``: workers that have grown are replaced, under every start method."""

from __future__ import annotations

import mmap
import os
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest

from procession._engine.ipc import transport
from procession._engine.pool import memory
from tests.contracts import pool_feature_tasks as tasks
from tests.waiting import wait_until

MIB = 1 << 20
LIMIT = 128 * MIB
"""Far above what a worker of the tests has for itself when it begins."""


def bounded_pool(context: BaseContext, workers: int = 1, limit: int = LIMIT, **options: Any) -> Any:
    return context.Pool(workers, max_memory_per_child=limit, **options)  # type: ignore[call-arg]


class TestReplacement:
    """Who is replaced, and what becomes of tasks."""

    @pytest.mark.parametrize("method", ["map", "imap", "imap_unordered"])
    def test_a_worker_that_grew_is_replaced(self, context: BaseContext, method: str) -> None:
        """Between tasks; each ran once, and nobody died."""
        with bounded_pool(context) as pool:
            results = list(getattr(pool, method)(tasks.keep_memory, [50 * MIB] * 7, chunksize=1))
            stats = pool.stats()

        kept = [number for number, _ in results]
        assert len(kept) == 7
        assert max(kept) <= 3
        assert len({pid for _, pid in results}) >= 3
        assert (stats.tasks_done, stats.deaths, stats.retries) == (7, 0, 0)
        assert stats.replaced >= 2

    def test_a_task_bigger_than_the_limit_runs(self, context: BaseContext) -> None:
        """Its worker is replaced after it, and so is the next one's: no end without progress."""
        with bounded_pool(context, 2) as pool:
            numbers = [number for number, _ in pool.map(tasks.keep_memory, [150 * MIB] * 3, 1)]
            assert numbers == [1, 1, 1]
            assert pool.apply(tasks.keep_memory, (150 * MIB,))[0] == 1
            assert pool.stats()[:4] == (4, 0, 0, 0)

    def test_a_limit_that_every_worker_exceeds(self, context: BaseContext) -> None:
        """Each runs one message, at least."""
        with bounded_pool(context, 2, limit=1) as pool:
            assert pool.map(tasks.nap, [0.002] * 8, chunksize=2) == [0.002] * 8
            assert pool.stats()[:4] == (8, 0, 0, 0)

    def test_who_stays_below_stays(self, context: BaseContext) -> None:
        """Memory that a task gives back does not count, and neither do arrays on their way."""
        with bounded_pool(context) as pool:
            pids = {pool.apply(tasks.use_memory, (200 * MIB,)) for _ in range(2)}
            results = pool.map(tasks.give_back, [bytes(50 * MIB)] * 3)
            assert pool.stats().replaced == 0

        assert len(pids) == 1
        assert [len(result) for result in results] == [50 * MIB] * 3

    @pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="asks Linux")
    def test_what_a_fork_shares_does_not_count(self, any_context: BaseContext) -> None:
        """A big parent makes no big workers; what one of them takes then counts."""
        ballast = bytearray(b"x") * (LIMIT + 64 * MIB)
        with bounded_pool(any_context) as pool:
            assert pool.map(tasks.nap, [0.002] * 20, chunksize=1) == [0.002] * 20
            assert pool.stats().replaced == 0
            results = pool.map(tasks.keep_memory, [50 * MIB] * 7, chunksize=1)
            assert max(number for number, _ in results) <= 3
        assert len(ballast) == LIMIT + 64 * MIB

    def test_asynchronous_calls(self, context: BaseContext) -> None:
        """Replacements come although nobody waits."""
        with bounded_pool(context) as pool:
            results = [pool.apply_async(tasks.keep_memory, (150 * MIB,)) for _ in range(3)]
            wait_until(lambda: all(result.ready() for result in results))
            assert [result.get()[0] for result in results] == [1, 1, 1]

    def test_with_maxtasksperchild(self, context: BaseContext) -> None:
        """Whichever comes first."""
        with bounded_pool(context, maxtasksperchild=2) as pool:
            results = [pool.apply(tasks.keep_memory, (MIB,)) for _ in range(5)]
            assert max(number for number, _ in results) == 2

    def test_the_end_is_as_always(self, context: BaseContext) -> None:
        """close() and join() while workers end by themselves."""
        pool = bounded_pool(context, 2)
        result = pool.map_async(tasks.keep_memory, [150 * MIB] * 4, chunksize=1)
        pool.close()
        pool.join()
        assert [number for number, _ in result.get(0)] == [1] * 4


class TestMeasure:
    """What counts as memory of a process."""

    def test_own_memory(self) -> None:
        """What a process has for itself, not what it shares."""
        before = memory.own_bytes()
        block = bytearray(os.urandom(1)) * (64 * MIB)
        assert before + 60 * MIB < memory.own_bytes() < before + 100 * MIB
        del block

        if Path("/proc/self/statm").exists():
            before = memory.own_bytes()
            with mmap.mmap(-1, 64 * MIB) as shared:
                shared.write(b"x" * (64 * MIB))
                assert memory.own_bytes() < before + 60 * MIB

    @pytest.mark.parametrize("limit", [0, -1, 1.5, "1"])
    def test_it_must_be_a_number_of_bytes(self, any_context: BaseContext, limit: Any) -> None:
        """What is none is refused at once."""
        with pytest.raises(ValueError, match="max_memory_per_child"):
            bounded_pool(any_context, limit=limit)


@pytest.mark.skipif(not transport.OUT_OF_BAND_BUFFERS, reason="arrays travel in the messages")
class TestWarmMemory:
    """The blocks that carry arrays stay warm for the next call, and not for ever."""

    def test_idle_workers_give_back_the_memory_of_both_queues(self, context: BaseContext) -> None:
        """Also when all results are let go of at once, and nobody waits in the parent."""
        with context.Pool(1) as pool:
            engine = pool._engine
            del pool.map(tasks.give_back, [bytearray(16 * MIB)] * 12, chunksize=4)[:]
            wait_until(lambda: engine.results.memory()["warm"] <= MIB)
            assert engine.tasks.memory()["warm"] <= MIB
