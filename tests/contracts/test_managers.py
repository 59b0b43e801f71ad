"""Managers: the standard library's, in processes of ours, with pools of ours."""

from __future__ import annotations

import multiprocessing.managers
import os
import signal
import threading
from multiprocessing.context import BaseContext
from typing import TYPE_CHECKING, Any

import pytest

import procession.managers
from procession._engine.errors import WorkerDied
from tests.contracts.lock_users import acquire_and_exit, hold_for_ever

if TYPE_CHECKING:
    from tests.conftest import RunScript


def end_this_process(_: object) -> None:
    """A task that kills its worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def answer_later(lock: Any, condition: Any, go_on: Any, answers: Any) -> None:
    """Acquire in a thread that ends, and release in another, when told to go on."""
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
    answers.put("acquired")
    go_on.wait()
    lock.release()
    with condition, condition:
        answers.put(condition.wait(0.01))


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


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="nothing tells of a process' end here")
@pytest.mark.parametrize("kind", ["Lock", "RLock", "Condition"])
def test_lock_of_a_manager_is_released_when_its_holder_is_killed(
    context: BaseContext, kind: str
) -> None:
    """Who waits for it gets it, and it is a lock as before."""
    with context.Manager() as manager:
        lock = getattr(manager, kind)()
        holding = context.Queue()
        process = context.Process(target=hold_for_ever, args=(lock, holding))
        process.start()
        os.kill(holding.get(), signal.SIGKILL)

        assert lock.acquire()

        process.join()
        lock.release()
        with pytest.raises(RuntimeError):
            lock.release()


def test_lock_of_a_manager_outlives_the_thread_that_acquired_it(context: BaseContext) -> None:
    """Another thread of the process may release it, as in the standard library."""
    with context.Manager() as manager:
        lock, condition = manager.Lock(), manager.Condition()
        go_on, answers = manager.Event(), manager.Queue()
        process = context.Process(target=answer_later, args=(lock, condition, go_on, answers))
        process.start()
        assert answers.get() == "acquired"
        assert not lock.acquire(True, 0.1)
        go_on.set()
        assert lock.acquire()
        process.join()
        assert process.exitcode == 0
        assert answers.get() is False
        assert condition.acquire(False)


def test_lock_of_a_manager_may_be_released_after_its_holder_has_ended(
    context: BaseContext,
) -> None:
    """Once, whether or not its death has been seen by then, as in the standard library."""
    with context.Manager() as manager:
        lock = manager.Lock()
        process = context.Process(target=acquire_and_exit, args=(lock,))
        process.start()
        process.join()
        lock.release()
        with pytest.raises(RuntimeError):
            lock.release()
        assert lock.acquire(False)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_instances_of_a_script_without_a_guard_live_in_a_manager(
    run_script: RunScript, method: str
) -> None:
    """They travel by value to the manager's process, from the program and from its children."""
    outcome = run_script(
        """
        import sys
        import procession as multiprocessing
        class Point:
            def __init__(self, x): self.x = x
        def work(shared): shared["b"] = Point(shared["a"].x + 1)
        context = multiprocessing.get_context(sys.argv[1])
        with context.Manager() as manager:
            shared = manager.dict(a=Point(1))
            process = context.Process(target=work, args=(shared,))
            process.start()
            process.join()
            print(type(shared["b"]) is Point, shared["b"].x)
        """,
        method,
    )

    assert outcome.stdout == "True 2\n"
