"""``worker_state=``: what each worker builds once and hands to its tasks."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import pool_feature_tasks as tasks
from tests.contracts.pools import ended, pids
from tests.waiting import wait_until


def stateful_pool(context: BaseContext, path: Path, workers: int = 2, **options: Any) -> Any:
    """A pool whose workers leave a line in a file when they make and when they end a state."""
    return context.Pool(
        workers,
        worker_state=partial(tasks.make_state, str(path)),  # type: ignore[call-arg]
        worker_exit=tasks.end_state,
        **options,
    )


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
def pool(context: BaseContext, notes: Path) -> Iterator[Any]:
    with ended(stateful_pool(context, notes)) as made:
        yield made


def lines(path: Path, kind: str) -> list[str]:
    """The lines of a kind: 'made' or 'ended'."""
    return [line for line in path.read_text().splitlines() if line.startswith(kind)]


class TestPassing:
    """The state comes before the other arguments, whatever the method."""

    def test_every_method(self, pool: Any) -> None:
        """It is what the worker made."""
        assert pool.map(tasks.add_to_state, range(50)) == [1000 + n for n in range(50)]
        assert pool.starmap(tasks.add_to_state, [(1,), (2, 5)]) == [1001, 1007]
        assert list(pool.imap(tasks.add_to_state, range(9))) == [1000 + n for n in range(9)]
        assert sorted(pool.imap_unordered(tasks.add_to_state, iter(range(9)))) == [
            1000 + n for n in range(9)
        ]
        assert pool.apply(tasks.add_to_state, (3,)) == 1003
        assert pool.apply(tasks.add_to_state, (3,)) == 1003
        assert pool.apply(tasks.add_to_state, (3,), {"more": 4}) == 1007
        assert pool.apply_async(tasks.add_to_state, (3,)).get(30) == 1003
        assert pool.map_async(tasks.add_to_state, [1]).get(30) == [1001]
        assert pool.starmap_async(tasks.add_to_state, [(1, 2)]).get(30) == [1003]
        assert pool.apply(lambda state, value: state.base - value, (1,)) == 999

    def test_a_call_may_do_without(self, pool: Any) -> None:
        """The same function with and without, in any order."""
        assert pool.apply(abs, (-1,), pass_state=False) == 1
        assert pool.map(str, [1, 2], pass_state=False) == ["1", "2"]
        for _ in range(2):
            assert pool.apply(tasks.count_arguments, (7,)) == 2
            assert pool.apply(tasks.count_arguments, (7,), pass_state=False) == 1
            assert pool.map(tasks.count_arguments, [7]) == [2]
            assert list(pool.imap(tasks.count_arguments, [7], pass_state=False)) == [1]
            assert pool.apply(tasks.count_arguments, (7,), pass_state=True) == 2

    def test_with_limits_and_errors(self, pool: Any) -> None:
        """The other options of a call hold as always."""
        results = pool.map(tasks.add_to_state, [1, "x"], timeout=60, on_error="return", retries=0)
        assert results[0] == 1001
        assert isinstance(results[1], TypeError)

    def test_without_a_state_nothing_is_passed(self, context: BaseContext) -> None:
        """And it cannot be asked for."""
        with context.Pool(1) as pool:
            assert pool.apply(tasks.count_arguments, (7,)) == 1
            with pytest.raises(ValueError, match="worker_state="):
                pool.apply(abs, (1,), pass_state=True)  # type: ignore[call-arg]


class TestLife:
    """It is made once in each worker, and ended with it."""

    def test_once_in_each_worker(self, pool: Any, notes: Path) -> None:
        """A task sees what the tasks before it in the same worker left in it."""
        counts = pool.map(tasks.count_in_state, range(40), chunksize=1)
        pool.close()
        pool.join()

        last = dict(sorted(counts))
        assert sum(last.values()) == 40
        assert sorted(lines(notes, "made")) == sorted(f"made by {pid}" for pid in pids(pool))
        assert sorted(lines(notes, "ended")) == sorted(
            f"ended by {pid} after {last.get(pid, 0)}" for pid in pids(pool)
        )

    def test_a_replacement_makes_its_own(self, pool: Any, notes: Path) -> None:
        """The state of a worker that was killed is gone, and nobody ends it."""
        victim, _ = pool.map(tasks.count_in_state, [0])[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(
            lambda: pool.apply(tasks.add_to_state, (1,)) == 1001 and victim not in pids(pool)
        )
        assert pool.map(tasks.add_to_state, range(20)) == [1000 + n for n in range(20)]
        pool.close()
        pool.join()

        assert len(lines(notes, "made")) == 3
        assert len(lines(notes, "ended")) == 2

    @pytest.mark.parametrize("reason", ["maxtasksperchild", "max_memory_per_child"])
    def test_workers_that_have_done_their_share(
        self, context: BaseContext, notes: Path, reason: str
    ) -> None:
        """They end theirs before they go."""
        options = {reason: 1}
        with stateful_pool(context, notes, 1, **options) as pool:
            for _ in range(3):
                pool.apply(tasks.nap_with_state, (0.002,))
            wait_until(lambda: len(lines(notes, "ended")) == 3)
            assert pool.stats()[:4] == (3, 0, 0, 0)

    def test_after_the_initializer(self, context: BaseContext, tmp_path: Path) -> None:
        """What the initializer has prepared is there."""
        path = tmp_path / "prepared"
        with context.Pool(
            1,
            tasks.note_and_nap,
            (str(path), 0.0),
            worker_state=partial(Path.read_text, path),  # type: ignore[call-arg]
        ) as pool:
            assert pool.apply(tasks.count_arguments, ()) == 1
            assert pool.apply(lambda state: state) == "x"

    def test_none_is_a_state(self, context: BaseContext) -> None:
        """Whatever is made is passed."""
        with context.Pool(1, worker_state=tasks.do_nothing) as pool:  # type: ignore[call-arg]
            assert pool.apply(lambda state, value: (state, value), (1,)) == (None, 1)


class TestFailures:
    """A state that cannot be made, or ended."""

    def test_one_that_cannot_be_made(self, context: BaseContext) -> None:
        """It is a start that failed: after a few of them every call raises its exception."""
        with (
            context.Pool(1, worker_state=tasks.refuse) as pool,  # type: ignore[call-arg]
            pytest.raises(PermissionError, match="refused"),
        ):
            pool.map(tasks.add_to_state, range(10))

    def test_one_that_cannot_be_ended(self, context: BaseContext) -> None:
        """The worker exits as any process that raises; nothing is lost."""
        pool = context.Pool(
            1,
            worker_state=tasks.do_nothing,  # type: ignore[call-arg]
            worker_exit=tasks.refuse,
        )
        assert pool.map(tasks.count_arguments, range(10)) == [2] * 10
        pool.close()
        pool.join()
        assert pool._pool[0].exitcode == 1  # type: ignore[attr-defined]

    def test_arguments_are_checked(self, any_context: BaseContext) -> None:
        """At once, in the caller."""
        with pytest.raises(TypeError, match="worker_state must be a callable"):
            any_context.Pool(1, worker_state=3)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="worker_exit must be a callable"):
            any_context.Pool(1, worker_state=dict, worker_exit=3)  # type: ignore[call-arg]
        with pytest.raises(ValueError, match="worker_exit gets the state"):
            any_context.Pool(1, worker_exit=print)  # type: ignore[call-arg]
