"""What a JoinableQueue promises beyond a Queue."""

from __future__ import annotations

import threading
import time
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from tests.contracts import children
from tests.contracts.conftest import Start
from tests.waiting import HANG_GUARD_SECONDS


class JoinableContract:
    """Instantiate as a test class."""

    def test_join_waits_for_all_tasks(self, context: BaseContext, start: Start) -> None:
        """join() returns when task_done() was called for everything that was put."""
        tasks = context.JoinableQueue()
        for index in range(100):
            tasks.put(index)
        tasks.put(None)
        start(children.do_tasks, tasks)
        tasks.join()
        assert tasks.empty()

    def test_join_returns_at_once_without_tasks(self, any_context: BaseContext) -> None:
        """A queue into which nothing was put has nothing to wait for."""
        any_context.JoinableQueue().join()

    def test_join_may_be_given_a_time(self, any_context: BaseContext) -> None:
        """join(timeout) says whether all tasks were done in time."""
        tasks: Any = any_context.JoinableQueue()
        tasks.put(1)
        begin = time.monotonic()
        assert not tasks.join(0.05)
        assert time.monotonic() - begin >= 0.05
        tasks.get()
        assert not tasks.join(0)
        tasks.task_done()
        assert tasks.join(0)

    def test_task_done_too_often_raises(self, any_context: BaseContext) -> None:
        """task_done() raises ValueError when called more often than there were messages."""
        tasks = any_context.JoinableQueue()
        with pytest.raises(ValueError, match="too many times"):
            tasks.task_done()
        tasks.put(1)
        tasks.get()
        tasks.task_done()
        with pytest.raises(ValueError, match="too many times"):
            tasks.task_done()

    def test_join_wakes_a_waiting_thread(self, any_context: BaseContext) -> None:
        """A thread in join() goes on when another thread reports the last task."""
        tasks = any_context.JoinableQueue()
        tasks.put(1)
        waiting = threading.Thread(target=tasks.join)
        waiting.start()
        tasks.get()
        tasks.task_done()
        waiting.join(HANG_GUARD_SECONDS)
        assert not waiting.is_alive()
