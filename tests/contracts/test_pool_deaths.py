"""A pool whose workers die: nothing is lost, nothing hangs, every task ends once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest

from procession._engine.errors import WorkerDied
from tests.contracts import pool_tasks as tasks
from tests.contracts.pool_contract import pool
from tests.contracts.pools import pids
from tests.waiting import HANG_GUARD_SECONDS, wait_until

__all__ = ["pool"]


def kill(pid: int) -> None:
    """SIGKILL to a worker that may be dead already, and not yet replaced."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_all(pool: Any, number: int = signal.SIGKILL) -> None:
    for pid in pids(pool):
        with suppress(ProcessLookupError):  # as above: the fork server collects its dead at once
            os.kill(pid, number)


class TestIdleWorkers:
    """Killed while they have nothing to do."""

    def test_one_is_replaced(self, pool: Any) -> None:
        """At the next call at the latest; the other one stays."""
        first, second = pids(pool)
        os.kill(first, signal.SIGKILL)

        assert pool.map(tasks.double, range(100)) == [2 * value for value in range(100)]
        wait_until(lambda: pool.apply(tasks.double, (1,)) == 2 and first not in pids(pool))
        assert pids(pool)[1] == second

    def test_all_are_replaced(self, pool: Any) -> None:
        """All dead at once, again and again."""
        for _ in range(3):
            kill_all(pool)
            assert pool.map(tasks.double, range(100)) == [2 * value for value in range(100)]

    def test_dead_before_close(self, pool: Any) -> None:
        """close() and join() do not wait for the dead."""
        kill_all(pool)
        pool.close()
        pool.join()

    def test_one_dies_after_close(self, pool: Any) -> None:
        """The calls under way are done by others."""
        result = pool.map_async(tasks.nap_and_tell_pid, [0.05] * 10, chunksize=1)
        pool.close()
        os.kill(pids(pool)[0], signal.SIGKILL)
        pool.join()

        assert len(result.get(1)) == 10


class TestBusyWorkers:
    """Killed while they have tasks."""

    def test_map_loses_nothing(self, pool: Any) -> None:
        """Kills during a map: every result is there.

        On a busy machine none of the killed may have come through its start, and thirty of those
        in a row are what a pool bears.
        """
        stop = threading.Event()

        def killer() -> None:
            for _ in range(25):
                if stop.wait(0.05):
                    return
                kill(pids(pool)[0])

        thread = threading.Thread(target=killer)
        thread.start()
        try:
            results = [pool.map(tasks.double, range(20_000), retries=50) for _ in range(10)]
        finally:
            stop.set()
            thread.join()

        assert results == [[2 * value for value in range(20_000)]] * 10

    def test_imap_loses_nothing(self, pool: Any) -> None:
        """Kills between results: every result comes, in order, once."""
        results = []
        for value in pool.imap(tasks.double, range(2000), retries=50):
            results.append(value)
            if len(results) % 400 == 0:
                kill(pids(pool)[len(results) // 400 % 2])

        assert results == [2 * value for value in range(2000)]

    def test_asynchronous_calls_go_on_while_nobody_waits(self, pool: Any, tmp_path: Path) -> None:
        """The dead are replaced, and their tasks done, without anybody asking."""
        folder = str(tmp_path)
        for value in range(8):
            pool.apply_async(tasks.note_and_wait, ((folder, value, 0.05),))
        kill_all(pool)

        wait_until(lambda: all(tasks.attempts(folder, value) for value in range(8)))

    def test_every_worker_killed_in_the_middle(self, pool: Any) -> None:
        """All workers at once, with tasks in hand."""
        result = pool.map_async(tasks.nap_and_tell_pid, [0.1] * 6, chunksize=1)
        time.sleep(0.05)
        before = set(pids(pool))
        kill_all(pool)

        assert len(result.get(HANG_GUARD_SECONDS)) == 6
        assert before.isdisjoint(pids(pool))

    def test_stopped_and_continued(self, pool: Any) -> None:
        """A worker that is stopped for a while is not dead."""
        before = pids(pool)
        result = pool.map_async(tasks.nap_and_tell_pid, [0.01] * 20, chunksize=1)
        kill_all(pool, signal.SIGSTOP)
        kill_all(pool, signal.SIGCONT)

        assert set(result.get(HANG_GUARD_SECONDS)) <= set(before)
        assert before == pids(pool)

    def test_terminate_ends_stopped_workers(self, pool: Any) -> None:
        """SIGTERM waits for a stopped process; SIGKILL does not."""
        kill_all(pool, signal.SIGSTOP)
        pool.terminate()
        pool.join()

        assert not any(process.is_alive() for process in pool._pool)


class TestTasksThatKill:
    """A task that takes its worker down."""

    def test_is_tried_again(self, pool: Any, tmp_path: Path) -> None:
        """Once more, by another worker; all others run once."""
        folder = str(tmp_path)
        values = pool.map(tasks.die_once, [(folder, value) for value in range(6)])

        assert values == [0, 1, 2, 3, 4, 5]
        assert tasks.attempts(folder, 3) == 2

    def test_is_singled_out(self, pool: Any) -> None:
        """WorkerDied names the task, and each attempt's pid and signal."""
        with pytest.raises(WorkerDied, match="SIGKILL") as caught:
            pool.map(tasks.die_on_three, range(6))

        assert caught.value.index == 3
        assert "die_on_three(3)" in caught.value.task
        assert [attempt.exitcode for attempt in caught.value.attempts] == [-9, -9]
        assert len({attempt.pid for attempt in caught.value.attempts}) == 2

    @pytest.mark.parametrize("chunksize", [None, 1, 6])
    def test_the_others_complete(self, pool: Any, chunksize: int | None) -> None:
        """Whatever traveled with it."""
        values = pool.map(tasks.die_on_three, range(6), chunksize, on_error="return")

        assert [*values[:3], *values[4:]] == [0, 1, 2, 4, 5]
        assert isinstance(values[3], WorkerDied)

    def test_those_behind_it_have_not_begun(self, pool: Any, tmp_path: Path) -> None:
        """They run once; those before it once more, unless their results were sent by then."""
        folder, values = str(tmp_path), range(60)
        assert pool.map(tasks.die_once, [(folder, value) for value in values], 60) == list(values)

        attempts = [tasks.attempts(folder, value) for value in values]
        assert attempts[3:] == [2] + [1] * 56
        assert set(attempts[:3]) <= {1, 2}

    def test_without_retries(self, pool: Any, tmp_path: Path) -> None:
        """``retries=0`` runs no task twice."""
        folder = str(tmp_path)
        values = pool.map(
            tasks.die_once,
            [(folder, value) for value in range(6)],
            6,
            retries=0,
            on_error="return",
        )

        assert [*values[:3], *values[4:]] == [0, 1, 2, 4, 5]
        assert isinstance(values[3], WorkerDied)
        assert [tasks.attempts(folder, value) for value in range(6)] == [1] * 6

    def test_nothing_that_ended_is_run_again(self, pool: Any, tmp_path: Path) -> None:
        """Also where more results wait than the parent takes in at once."""
        folder, count = str(tmp_path), 1500
        results = [
            pool.apply_async(tasks.note_and_wait, ((folder, value, 0.0),), retries=0)
            for value in range(count)
        ]
        wait_until(lambda: pool._engine.results.messages_put >= count)
        kill_all(pool)

        assert [result.get(HANG_GUARD_SECONDS) for result in results] == list(range(count))
        assert [tasks.attempts(folder, value) for value in range(count)] == [1] * count

    def test_by_exit(self, pool: Any) -> None:
        """The exit code is told."""
        with pytest.raises(WorkerDied, match="exited with code 5") as caught:
            pool.apply(tasks.exit_hard, (5,))

        assert caught.value.index is None
        assert "exit_hard(5)" in caught.value.task

    def test_in_an_iterator(self, pool: Any) -> None:
        """Raises in its place; the iterator goes on."""
        results = pool.imap(tasks.die_on_three, range(6))

        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(WorkerDied):
            next(results)
        assert list(results) == [4, 5]

    def test_error_callback(self, pool: Any) -> None:
        """Is called with it."""
        errors: list[BaseException] = []
        pool.apply_async(tasks.die, error_callback=errors.append).wait(HANG_GUARD_SECONDS)

        assert [type(error) for error in errors] == [WorkerDied]


class TestWorkersThatDoNotStart:
    """An initializer that fails, every time."""

    @pytest.mark.parametrize(
        ("initializer", "error", "text"),
        [
            (tasks.fail_to_start, RuntimeError, "this initializer fails"),
            (tasks.die_at_start, WorkerDied, "exited with code 7"),
            (tasks.die, WorkerDied, "SIGKILL"),
        ],
    )
    def test_breaks_the_pool(
        self,
        context: BaseContext,
        initializer: Callable[[], object],
        error: type[Exception],
        text: str,
    ) -> None:
        """After a few in a row every call raises the reason."""
        with context.Pool(2, initializer) as pool:
            pending = pool.apply_async(tasks.double, (1,))
            with pytest.raises(error, match=text):
                pool.map(tasks.double, range(10))
            with pytest.raises(error, match=text):
                pending.get(HANG_GUARD_SECONDS)
            with pytest.raises(error, match=text):
                pool.apply(tasks.double, (1,))
            pool.close()
            pool.join()


class TestForks:
    """A pool and ``os.fork``."""

    def test_forked_child_cannot_use_it(self, pool: Any) -> None:
        """It says so, and dropping it there does not end the workers here."""
        before = pids(pool)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                pool.map(tasks.double, [1])
            except RuntimeError as error:
                code = 0 if "forked child" in str(error) else 2
            finally:
                os._exit(code)

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert pool.map(tasks.double, [1]) == [2]
        assert before == pids(pool)
