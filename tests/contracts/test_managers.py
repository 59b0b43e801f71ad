"""Managers: the standard library's, in processes of ours, with pools of ours."""

from __future__ import annotations

import multiprocessing.managers
import os
import signal
from multiprocessing.context import BaseContext

import pytest

import procession.managers
from procession._engine.errors import WorkerDied


def end_this_process(_: object) -> None:
    """A task that kills its worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_pool_of_a_manager_survives_the_death_of_a_worker(context: BaseContext) -> None:
    """A task that kills its workers is an error for its caller, and the pool goes on."""
    with context.Manager() as manager, manager.Pool(1) as pool:
        with pytest.raises(WorkerDied):
            pool.map(end_this_process, [None])
        assert pool.map(abs, [-1, 2]) == [1, 2]


def test_manager_runs_in_a_process_of_ours(context: BaseContext) -> None:
    """A manager that is given no context takes one of procession's, and keeps one it is given."""
    for chosen in (None, context):
        with procession.managers.SyncManager(ctx=chosen) as manager:
            assert isinstance(manager, multiprocessing.managers.SyncManager)
            assert type(manager._process).__module__ == "procession.context"
            shared = manager.dict(a=1)
            assert shared.copy() == {"a": 1}
