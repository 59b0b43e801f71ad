"""procession.futures.ProcessPoolExecutor: futures on the pool, under every start method."""

from __future__ import annotations

import concurrent.futures
import gc
import threading
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest

from procession import futures
from procession._engine.errors import WorkerDied
from tests.conftest import RunScript
from tests.contracts import executor_tasks as tasks
from tests.contracts import pool_tasks
from tests.waiting import HANG_GUARD_SECONDS


@pytest.fixture
def executor(context: BaseContext) -> Iterator[futures.ProcessPoolExecutor]:
    """Two workers; they are ended with the test."""
    made = futures.ProcessPoolExecutor(2, context)
    yield made
    made.shutdown(cancel_futures=True)


class TestSubmit:
    """submit() and the futures that it returns."""

    def test_gives_a_standard_future(self, executor: futures.ProcessPoolExecutor) -> None:
        """Of the class of concurrent.futures, with the value."""
        future = executor.submit(tasks.add, 1, second=4)

        assert isinstance(executor, concurrent.futures.ProcessPoolExecutor)
        assert type(future) is concurrent.futures.Future
        assert future.result(HANG_GUARD_SECONDS) == 5

    def test_an_exception_is_the_futures(self, executor: futures.ProcessPoolExecutor) -> None:
        """With its remote traceback as the cause; others are not touched."""
        bad = executor.submit(tasks.fail, "no such thing")
        good = executor.submit(tasks.square, 3)

        with pytest.raises(LookupError, match="no such thing") as caught:
            bad.result(HANG_GUARD_SECONDS)
        assert "in fail" in str(caught.value.__cause__)
        assert good.result(HANG_GUARD_SECONDS) == 9

    def test_what_cannot_be_pickled(self, executor: futures.ProcessPoolExecutor) -> None:
        """An argument or result fails its own future."""
        argument = executor.submit(tasks.square, pool_tasks.Unpicklable())  # type: ignore[arg-type]
        result = executor.submit(pool_tasks.give_generator, None)

        assert isinstance(argument.exception(HANG_GUARD_SECONDS), RuntimeError)
        assert isinstance(result.exception(HANG_GUARD_SECONDS), Exception)
        assert executor.submit(tasks.square, 3).result(HANG_GUARD_SECONDS) == 9

    def test_waiting_functions(self, executor: futures.ProcessPoolExecutor) -> None:
        """as_completed() and wait() take them."""
        made = [executor.submit(tasks.square, value) for value in range(200)]
        done = {future.result() for future in futures.as_completed(made, HANG_GUARD_SECONDS)}

        assert done == {value * value for value in range(200)}
        assert not futures.wait(made, HANG_GUARD_SECONDS).not_done

    def test_from_many_threads(self, executor: futures.ProcessPoolExecutor) -> None:
        """Each gets what it asked for."""
        got: dict[int, list[int]] = {}

        def use(number: int) -> None:
            made = [executor.submit(tasks.add, number, value) for value in range(50)]
            got[number] = [future.result(HANG_GUARD_SECONDS) for future in made]

        threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_GUARD_SECONDS)

        assert got == {number: [number + value for value in range(50)] for number in range(4)}

    def test_a_done_callback_may_submit(self, executor: futures.ProcessPoolExecutor) -> None:
        """And shut down: it does not wait for itself."""
        second: list[Any] = []
        asked = threading.Event()

        def go_on(future: Any) -> None:
            second.append(executor.submit(tasks.square, future.result()))
            executor.shutdown()
            asked.set()

        executor.submit(tasks.square, 2).add_done_callback(go_on)

        assert asked.wait(HANG_GUARD_SECONDS)
        assert second[0].result(HANG_GUARD_SECONDS) == 16


class TestMap:
    """map() and its arguments."""

    @pytest.mark.parametrize("chunksize", [1, 3, 100])
    @pytest.mark.parametrize("buffersize", [None, 1, 4])
    def test_keeps_the_order(
        self, executor: futures.ProcessPoolExecutor, chunksize: int, buffersize: int | None
    ) -> None:
        """Of several iterables, up to the end of the shortest."""
        results = executor.map(
            tasks.add, range(20), range(100, 130), chunksize=chunksize, buffersize=buffersize
        )

        assert list(results) == [100 + 2 * value for value in range(20)]

    def test_raises_in_its_place(self, executor: futures.ProcessPoolExecutor) -> None:
        """What came before is there."""
        results = executor.map(tasks.fail_on_three, range(6))

        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(LookupError, match="three"):
            next(results)

    def test_buffersize_bounds_the_reading(self, executor: futures.ProcessPoolExecutor) -> None:
        """An endless input is read so far ahead and no further."""
        seen: list[int] = []
        endless = (seen.append(value) or value for value in iter(int, None))  # type: ignore[func-returns-value]
        results = executor.map(tasks.square, endless, buffersize=3)

        assert len(seen) == 3
        assert next(results) == 0
        assert len(seen) == 4

    def test_timeout(self, executor: futures.ProcessPoolExecutor, tmp_path: Path) -> None:
        """Counts from the call."""
        path = tmp_path / "go"
        results = executor.map(tasks.wait_for, [str(path)], timeout=0.01)

        with pytest.raises(futures.TimeoutError):
            next(results)
        path.touch()

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"chunksize": 0}, ValueError),
            ({"buffersize": 0}, ValueError),
            ({"buffersize": "1"}, TypeError),
        ],
    )
    def test_refuses(
        self, executor: futures.ProcessPoolExecutor, options: Any, error: type[Exception]
    ) -> None:
        """Sizes that are none."""
        with pytest.raises(error):
            executor.map(tasks.square, [1], **options)


class TestCancel:
    """Futures that no worker has been given."""

    def test_never_run(self, executor: futures.ProcessPoolExecutor, tmp_path: Path) -> None:
        """A cancelled one leaves no trace; the others run."""
        gate, trace = tmp_path / "gate", tmp_path / "trace"
        held = [executor.submit(tasks.wait_for, str(gate)) for _ in range(3)]
        last = executor.submit(tasks.note, str(trace))

        assert last.cancel()
        gate.touch()
        executor.shutdown()
        assert last.cancelled()
        assert not trace.exists()
        assert [future.result() for future in held] == [str(gate)] * 3

    def test_at_shutdown(self, executor: futures.ProcessPoolExecutor, tmp_path: Path) -> None:
        """``cancel_futures`` cancels them, and who waits for them is told."""
        gate = tmp_path / "gate"
        held = [executor.submit(tasks.wait_for, str(gate)) for _ in range(20)]
        executor.shutdown(wait=False, cancel_futures=True)
        gate.touch()

        assert not futures.wait(held, HANG_GUARD_SECONDS).not_done
        assert sum(future.cancelled() for future in held) == 17


class TestShutdown:
    """The end."""

    def test_waits_for_what_was_submitted(self, executor: futures.ProcessPoolExecutor) -> None:
        """Everything is done when it returns, and nothing more is taken; twice is once."""
        made = [executor.submit(tasks.square, value) for value in range(100)]
        executor.shutdown()

        assert all(future.done() for future in made)
        with pytest.raises(RuntimeError, match="after shutdown"):
            executor.submit(tasks.square, 1)
        executor.shutdown()

    def test_without_waiting(self, executor: futures.ProcessPoolExecutor, tmp_path: Path) -> None:
        """What was submitted is done all the same."""
        gate = tmp_path / "gate"
        made = [executor.submit(tasks.wait_for, str(gate)) for _ in range(10)]
        executor.shutdown(wait=False)
        gate.touch()

        assert [future.result(HANG_GUARD_SECONDS) for future in made] == [str(gate)] * 10

    def test_dropped(self, context: BaseContext) -> None:
        """An executor that nobody holds does what it was asked for, and is gone."""
        future = futures.ProcessPoolExecutor(2, context).submit(tasks.square, 5)
        gc.collect()

        assert future.result(HANG_GUARD_SECONDS) == 25

    def test_unused(self, context: BaseContext) -> None:
        """Starts nothing."""
        with futures.ProcessPoolExecutor(2, context) as executor:
            assert executor._processes == {}
        assert executor._processes is None

    def test_at_exit(self, run_script: RunScript) -> None:
        """A program ends when what it submitted is done."""
        outcome = run_script(
            """
            import time
            from procession.futures import ProcessPoolExecutor

            executor = ProcessPoolExecutor(1)
            for seconds in (0.2, 0.1):
                executor.submit(time.sleep, seconds).add_done_callback(lambda _: print("done"))
            """
        )
        assert outcome.stdout.split() == ["done", "done"]

    @pytest.mark.parametrize("how", ["terminate_workers", "kill_workers"])
    def test_at_once(self, executor: futures.ProcessPoolExecutor, tmp_path: Path, how: str) -> None:
        """Futures that have not ended raise BrokenProcessPool."""
        made = [executor.submit(tasks.wait_for, str(tmp_path / "never")) for _ in range(6)]
        getattr(executor, how)()

        for future in made:
            assert isinstance(future.exception(HANG_GUARD_SECONDS), futures.BrokenProcessPool)
        with pytest.raises(futures.BrokenProcessPool):
            executor.submit(tasks.square, 1)


class TestDeaths:
    """Workers that die."""

    def test_a_task_that_kills_is_singled_out(self, executor: futures.ProcessPoolExecutor) -> None:
        """WorkerDied from that future alone; the executor goes on."""
        bad = executor.submit(pool_tasks.die)
        good = [executor.submit(tasks.square, value) for value in range(100)]

        error = bad.exception(HANG_GUARD_SECONDS)
        assert isinstance(error, WorkerDied)
        assert len(error.attempts) == 2
        assert [future.result(HANG_GUARD_SECONDS) for future in good] == [
            value * value for value in range(100)
        ]

    def test_is_tried_again(self, executor: futures.ProcessPoolExecutor, tmp_path: Path) -> None:
        """Once more, by another worker."""
        future = executor.submit(pool_tasks.die_once, (str(tmp_path), 3))

        assert future.result(HANG_GUARD_SECONDS) == 3
        assert pool_tasks.attempts(str(tmp_path), 3) == 2

    def test_workers_that_cannot_start(self, context: BaseContext) -> None:
        """BrokenProcessPool, with the initializer's exception as the cause."""
        with futures.ProcessPoolExecutor(2, context, pool_tasks.fail_to_start) as executor:
            made = [executor.submit(tasks.square, value) for value in range(2)]
            for future in made:
                error = future.exception(HANG_GUARD_SECONDS)
                assert isinstance(error, futures.BrokenProcessPool)
                assert isinstance(error.__cause__, RuntimeError)
            with pytest.raises(futures.BrokenProcessPool, match="this initializer fails"):
                executor.submit(tasks.square, 1)


class TestWorkers:
    """How they are made."""

    def test_initializer(self, context: BaseContext) -> None:
        """Runs in each worker, with its arguments."""
        with futures.ProcessPoolExecutor(1, context, pool_tasks.remember, ("a", "b")) as executor:
            assert executor.submit(pool_tasks.remembered).result(HANG_GUARD_SECONDS) == ["a", "b"]

    def test_are_replaced_after_their_share(self, context: BaseContext) -> None:
        """``max_tasks_per_child`` under every start method."""
        with futures.ProcessPoolExecutor(1, context, max_tasks_per_child=2) as executor:
            made = [executor.submit(tasks.pid) for _ in range(6)]
            pids = [future.result(HANG_GUARD_SECONDS) for future in made]

        assert pids[0::2] == pids[1::2]
        assert len(set(pids)) == 3

    def test_say_what_they_have_done(self, executor: futures.ProcessPoolExecutor) -> None:
        """As a pool does; nothing before the first task, the last figures after the end."""
        assert executor.stats() is None
        for value in range(5):
            assert executor.submit(tasks.add, value, 1).result(HANG_GUARD_SECONDS) == value + 1
        assert executor.stats().tasks_done == 5
        executor.shutdown()
        stats = executor.stats()

        assert (stats.tasks_done, stats.tasks_in_flight, stats.deaths) == (5, 0, 0)

    def test_can_be_looked_at(self, executor: futures.ProcessPoolExecutor) -> None:
        """As programs read them of the standard executor."""
        pid = executor.submit(tasks.pid).result(HANG_GUARD_SECONDS)

        assert executor._max_workers == 2
        assert pid in (executor._processes or {})

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"max_workers": 0}, ValueError),
            ({"initializer": 3}, TypeError),
            ({"max_tasks_per_child": "2"}, TypeError),
            ({"max_tasks_per_child": 0}, ValueError),
            ({"retries": -1}, ValueError),
        ],
    )
    def test_refuses(self, options: Any, error: type[Exception]) -> None:
        """Arguments that mean nothing, at once."""
        with pytest.raises(error):
            futures.ProcessPoolExecutor(**options)
