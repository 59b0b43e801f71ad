"""What a pool does beyond the standard interface, under every start method."""

from __future__ import annotations

import math
import pickle
import threading
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest

from procession._engine.errors import TaskTimeoutError
from procession.pool import TimeoutError as StandardTimeoutError
from tests.contracts import pool_feature_tasks as tasks
from tests.contracts.pool_contract import pool
from tests.contracts.pools import pids
from tests.waiting import HANG_GUARD_SECONDS, wait_until

__all__ = ["pool"]

LIMIT = 0.2

AMPLE_LIMIT = 1.0
"""For calls of which some tasks must end in time, on a machine that is busy with other things."""


def outcome_of(result: Any) -> Any:
    """The value of a call, or the exception with which it ended."""
    try:
        return result.get(HANG_GUARD_SECONDS)
    except Exception as error:
        return error


class TestTimeouts:
    """``timeout=``: seconds that each task may run."""

    def test_apply_raises_and_the_pool_goes_on(self, pool: Any) -> None:
        """The error is the standard library's type and names call, time and worker."""
        before = pids(pool)
        with pytest.raises(
            StandardTimeoutError, match=r"deaf_if_negative\(-1\) ran for longer.*0.2"
        ):
            pool.apply(tasks.deaf_if_negative, (-1,), timeout=LIMIT)

        assert pool.apply(tasks.wait_if_negative, (4,)) == 4
        assert len(set(before) & set(pids(pool))) == 1

    @pytest.mark.parametrize("method", ["map", "imap", "imap_unordered"])
    def test_the_others_of_the_call_complete(self, pool: Any, method: str) -> None:
        """Only the tasks that ran over end with an error, wherever they travelled."""
        values = [*range(50), -1, *range(50), -2, *range(50)]

        results = list(
            getattr(pool, method)(
                tasks.wait_if_negative, values, timeout=AMPLE_LIMIT, on_error="return"
            )
        )

        late = [result for result in results if isinstance(result, TaskTimeoutError)]
        assert sorted(error.index or 0 for error in late) == [50, 101]
        assert sorted(result for result in results if isinstance(result, int)) == sorted(
            value for value in values if value >= 0
        )

    def test_starmap_and_map_raise_the_first(self, pool: Any) -> None:
        """Without on_error the error is raised, as any other of a task."""
        with pytest.raises(TaskTimeoutError, match="on item 1"):
            pool.starmap(tasks.wait_if_negative, [(1,), (-1,)], timeout=AMPLE_LIMIT)
        with pytest.raises(TaskTimeoutError, match="on item 2"):
            pool.map(tasks.wait_if_negative, [1, 2, -1], chunksize=3, timeout=AMPLE_LIMIT)

    def test_it_is_not_tried_again(self, pool: Any, tmp_path: Path) -> None:
        """Running over is no death: retries are not for it."""
        path = tmp_path / "pids"
        with pytest.raises(TaskTimeoutError) as caught:
            pool.apply(tasks.note_pid_and_hang, (str(path),), retries=5, timeout=LIMIT)

        assert path.read_text() == f"{caught.value.pid}\n"

    def test_nobody_needs_to_wait(self, pool: Any) -> None:
        """An asynchronous call ends by itself, and its callback runs."""
        errors: list[BaseException] = []
        done = threading.Event()

        def keep(error: BaseException) -> None:
            errors.append(error)
            done.set()

        pool.apply_async(tasks.wait_if_negative, (-1,), error_callback=keep, timeout=LIMIT)
        assert done.wait(HANG_GUARD_SECONDS)
        assert [type(error) for error in errors] == [TaskTimeoutError]

        result = pool.map_async(tasks.wait_if_negative, [1, -1], timeout=LIMIT)
        before = set(pids(pool))
        wait_until(lambda: not before.issubset(pids(pool)))
        with pytest.raises(TaskTimeoutError):
            result.get(HANG_GUARD_SECONDS)

    def test_one_call_waits_while_another_is_late(self, pool: Any) -> None:
        """A limit that comes while another thread waits for results is kept."""
        result: list[Any] = []
        slow = threading.Thread(target=lambda: result.append(pool.apply(tasks.nap, (4 * LIMIT,))))
        slow.start()
        try:
            with pytest.raises(TaskTimeoutError):
                pool.apply(tasks.wait_if_negative, (-1,), timeout=LIMIT)
        finally:
            slow.join(HANG_GUARD_SECONDS)
        assert result == [4 * LIMIT]

    def test_waiting_for_a_worker_is_not_running(self, pool: Any) -> None:
        """Time in the queue does not count: many short tasks take longer together."""
        assert len(pool.map(tasks.nap, [AMPLE_LIMIT / 20] * 50, timeout=AMPLE_LIMIT)) == 50

    def test_that_of_a_call_is_instead_of_the_pool_s(self, context: BaseContext) -> None:
        """The pool's holds for all calls that do not say otherwise; infinity is none."""
        with context.Pool(1, timeout=LIMIT) as pool:  # type: ignore[call-arg]
            with pytest.raises(TaskTimeoutError):
                pool.apply(tasks.wait_if_negative, (-1,))
            assert pool.apply(tasks.nap, (2 * LIMIT,), timeout=math.inf)  # type: ignore[call-arg]
            assert pool.apply(tasks.nap, (2 * LIMIT,), timeout=60)  # type: ignore[call-arg]

    def test_no_other_task_is_hit(self, pool: Any) -> None:
        """Tasks that end about when they are killed: each ends once, with one of both outcomes.

        Their neighbours, which have time enough, all end well, though their worker may be killed
        for the task before them. Without retries a hit would be an error.
        """
        limit = 0.02
        # The kill comes some milliseconds after the limit, and no one knows how many.
        naps = [limit + 0.0002 * step for step in range(40)]

        late, innocent = [], []
        for seconds in naps:
            late.append(pool.apply_async(tasks.nap, (seconds,), retries=0, timeout=limit))
            innocent.append(
                pool.apply_async(tasks.nap, (0.0,), retries=0, timeout=HANG_GUARD_SECONDS)
            )

        assert [result.get(HANG_GUARD_SECONDS) for result in innocent] == [0.0] * 40
        self.check_each_is_slept_or_late(naps, [outcome_of(result) for result in late])

        # Neighbours within one message.
        outcomes = pool.map(
            tasks.nap, naps, chunksize=5, retries=0, timeout=limit, on_error="return"
        )
        self.check_each_is_slept_or_late(naps, outcomes)

    def check_each_is_slept_or_late(self, naps: list[float], outcomes: list[Any]) -> None:
        """A nap ends with its length, or with the error of its time limit."""
        assert [
            (seconds, outcome)
            for seconds, outcome in zip(naps, outcomes, strict=True)
            if outcome != seconds and not isinstance(outcome, TaskTimeoutError)
        ] == []

    def test_the_end_does_not_wait_for_it(self, pool: Any) -> None:
        """close() and join() end with the time of the last task."""
        result = pool.apply_async(tasks.wait_if_negative, (-1,), timeout=LIMIT)
        pool.close()
        pool.join()
        with pytest.raises(TaskTimeoutError):
            result.get(0)

    @pytest.mark.parametrize("timeout", [0, -1, math.nan])
    def test_it_must_be_positive(self, pool: Any, timeout: float) -> None:
        """What is no time is refused at once."""
        with pytest.raises(ValueError, match="timeout must be more than 0"):
            pool.map(tasks.nap, [0], timeout=timeout)
        with pytest.raises(TypeError, match="number of seconds"):
            pool.apply(tasks.nap, (0,), timeout="1")

    def test_the_error_travels(self) -> None:
        """It keeps its fields when it is pickled."""
        error = TaskTimeoutError("f(1)", 3, 0.5, 17)
        copy = pickle.loads(pickle.dumps(error))
        assert (copy.task, copy.index, copy.seconds, copy.pid) == ("f(1)", 3, 0.5, 17)
        assert str(copy) == str(error)
