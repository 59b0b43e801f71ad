"""Cancelling calls of a pool, under every start method."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import pool_feature_tasks as tasks
from tests.contracts.pool_contract import pool
from tests.contracts.pools import pids
from tests.waiting import HANG_GUARD_SECONDS, wait_until

__all__ = ["pool"]


def keep_busy(pool: Any, folder: Path) -> list[Any]:
    """Give each of the two workers a task that hangs."""
    paths = [folder / "first", folder / "second"]
    results = [pool.apply_async(tasks.note_interrupt, (str(path),)) for path in paths]
    wait_until(lambda: all(path.exists() and path.read_text() for path in paths))
    return results


class TestNotBegun:
    """A call that no worker has."""

    def test_it_never_runs(self, pool: Any, tmp_path: Path) -> None:
        """Its get() raises, at once, and the others run."""
        busy = keep_busy(pool, tmp_path)
        noted = tmp_path / "noted"
        waiting = [pool.apply_async(tasks.note_and_nap, (str(noted), 0)) for _ in range(50)]

        assert [result.cancel() for result in waiting[1:]] == [True] * 49
        assert all(result.cancelled() and result.ready() for result in waiting[1:])
        with pytest.raises(CancelledError, match="note_and_nap"):
            waiting[7].get()
        assert waiting[7].cancel()
        for result in busy:
            assert result.cancel(running=True)
        waiting[0].get(HANG_GUARD_SECONDS)
        assert pool.map(tasks.nap, [0.0] * 10) == [0.0] * 10
        assert noted.read_text() == "x"

    def test_a_map_never_runs(self, pool: Any, tmp_path: Path) -> None:
        """All its tasks are cancelled, also those not yet sent; its callback hears of it."""
        busy = keep_busy(pool, tmp_path)
        noted = tmp_path / "noted"
        errors: list[BaseException] = []
        result = pool.starmap_async(
            tasks.note_and_nap, [(str(noted), 0)] * 5000, error_callback=errors.append
        )

        assert result.cancel()
        with pytest.raises(CancelledError):
            result.get(HANG_GUARD_SECONDS)
        assert [result.cancel(running=True) for result in busy] == [True, True]
        assert pool.map(tasks.nap, [0.0] * 10) == [0.0] * 10
        assert not noted.exists()
        assert [type(error) for error in errors] == [CancelledError]


class TestRunning:
    """A call of which a task runs."""

    def test_only_on_request(self, pool: Any, tmp_path: Path) -> None:
        """cancel() says no and changes nothing; cancel(running=True) interrupts."""
        first, second = keep_busy(pool, tmp_path)
        before = set(pids(pool))

        assert not first.cancel()
        assert not first.cancelled()
        assert first.cancel(running=True, grace=HANG_GUARD_SECONDS)
        with pytest.raises(CancelledError):
            first.get()
        wait_until(lambda: (tmp_path / "first").read_text() == "interrupted")
        wait_until(lambda: len(before & set(pids(pool))) == 1)
        assert (tmp_path / "second").read_text() == "begun"
        assert second.cancel(running=True)

    def test_who_does_not_listen_is_killed(self, pool: Any, tmp_path: Path) -> None:
        """After the grace, without anybody waiting."""
        path = tmp_path / "deaf"
        before = set(pids(pool))
        result = pool.apply_async(tasks.hang_deaf, (str(path),))
        wait_until(lambda: path.exists() and path.read_text() == "begun")

        assert result.cancel(running=True, grace=0.2)
        wait_until(lambda: len(before & set(pids(pool))) == 1)
        assert pool.map(tasks.nap, [0.0] * 10) == [0.0] * 10

    def test_a_map_ends_as_a_whole(self, pool: Any, tmp_path: Path) -> None:
        """Tasks that run are interrupted, the others never begin."""
        noted = tmp_path / "noted"
        result = pool.starmap_async(tasks.note_and_nap, [(str(noted), 3600)] * 100)
        wait_until(lambda: noted.exists() and noted.read_text() == "xx")

        assert not result.cancel()
        assert result.cancel(running=True)
        assert pool.map(tasks.nap, [0.0] * 10) == [0.0] * 10
        assert noted.read_text() == "xx"

    def test_no_other_call_is_hit(self, pool: Any) -> None:
        """Cancelled while their tasks end, and others begin: each other one gives its result."""
        for round_ in range(100):
            doomed = pool.apply_async(tasks.nap, (0.001,))
            others = [pool.apply_async(tasks.nap, (0.0,)) for _ in range(4)]
            time.sleep(0.0002 * (round_ % 8))
            cancelled = doomed.cancel(running=bool(round_ % 2))

            assert [other.get(HANG_GUARD_SECONDS) for other in others] == [0.0] * 4
            if cancelled:
                with pytest.raises(CancelledError):
                    doomed.get(0)
            else:
                assert doomed.get(HANG_GUARD_SECONDS) == 0.001


class TestEnded:
    """A call whose outcome is known."""

    def test_it_keeps_its_result(self, pool: Any) -> None:
        """cancel() says no."""
        result = pool.apply_async(tasks.nap, (0.0,))
        assert result.get(HANG_GUARD_SECONDS) == 0.0

        assert not result.cancel(running=True)
        assert not result.cancelled()
        assert result.get() == 0.0

    def test_a_waiting_thread_is_woken(self, pool: Any, tmp_path: Path) -> None:
        """get() in another thread raises when the call is cancelled."""
        result, other = keep_busy(pool, tmp_path)
        raised: list[BaseException] = []

        def wait() -> None:
            try:
                result.get(HANG_GUARD_SECONDS)
            except CancelledError as error:
                raised.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        assert result.cancel(running=True)
        thread.join(HANG_GUARD_SECONDS)
        assert len(raised) == 1
        assert other.cancel(running=True)
        pool.close()
        pool.join()
