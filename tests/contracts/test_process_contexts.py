"""Contexts: of the standard library's kinds, ours in what they make, one choice per program."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import queue
from multiprocessing import context as std
from typing import Any

import pytest

import procession
from procession.context import BaseContext
from tests.conftest import RunScript
from tests.waiting import HANG_GUARD_SECONDS

HEAP = multiprocessing.RawValue("i")
"""The standard library's heap keeps its first arena to the end of the program: let it be there."""
KINDS = {
    "fork": (std.ForkContext, std.ForkProcess),
    "spawn": (std.SpawnContext, std.SpawnProcess),
    "forkserver": (std.ForkServerContext, std.ForkServerProcess),
}


def test_context_is_of_the_standard_kind(context: BaseContext) -> None:
    """What asks for a standard context of a method (PyTorch, loky) accepts ours."""
    kind, process_kind = KINDS[context.get_start_method()]
    assert isinstance(context, kind)
    assert isinstance(context, std.BaseContext)
    assert issubclass(context.Process, process_kind)
    assert isinstance(context.Process(), multiprocessing.process.BaseProcess)


def test_default_context_is_of_the_standard_kind() -> None:
    """So is the one behind the functions of the package, and ``procession.Process``."""
    default = procession.context._default_context
    assert isinstance(default, std.DefaultContext)
    assert issubclass(procession.Process, multiprocessing.Process)


def test_there_is_one_context_per_method(context: BaseContext) -> None:
    """``get_context`` of a name gives the same object from everywhere; without one, itself."""
    name = context.get_start_method()
    assert procession.get_context(name) is context
    assert context.get_context(name) is context
    assert context.get_context() is context


@pytest.mark.parametrize("name", ["thread", "", 7, ["fork"]])
def test_unknown_method_is_a_value_error(context: BaseContext, name: Any) -> None:
    """The message names the method and those that there are."""
    for get_context in (procession.get_context, context.get_context):
        with pytest.raises(ValueError, match="cannot find context for"):
            get_context(name)


def test_method_of_a_concrete_context_is_fixed(context: BaseContext) -> None:
    """Only the program's own choice can be set."""
    with pytest.raises(ValueError, match="cannot set"):
        context.set_start_method("spawn")


def test_methods_are_those_of_the_running_python() -> None:
    """The same methods, the same default first."""
    assert procession.get_all_start_methods() == multiprocessing.get_all_start_methods()


def test_start_method_is_one_choice_for_both(run_script: RunScript) -> None:
    """Whichever package it is set through, the other one follows; twice needs ``force``."""
    outcome = run_script(
        """
        import multiprocessing
        import procession

        if __name__ == "__main__":
            print(procession.get_start_method(allow_none=True))
            procession.set_start_method("spawn")
            print(multiprocessing.get_start_method(), type(procession.get_context()).__name__)
            try:
                multiprocessing.set_start_method("fork")
            except RuntimeError as error:
                print(error)
            multiprocessing.set_start_method("fork", force=True)
            print(procession.get_start_method(), type(procession.get_context()).__name__)
            process = procession.Process(target=int)
            process.start()
            process.join()
            print(type(process._popen).__name__, process.exitcode)
            procession.set_start_method(None, force=True)
            print(procession.get_start_method(allow_none=True))
            try:
                procession.set_start_method("thread")
            except ValueError as error:
                print(error)
        """
    )
    assert outcome.stdout.splitlines() == [
        "None",
        "spawn SpawnContext",
        "context has already been set",
        "fork ForkContext",
        "ForkPopen 0",
        "None",
        "cannot find context for 'thread'",
    ]


def test_looking_at_the_method_chooses_it(run_script: RunScript) -> None:
    """A default that was used cannot be changed any more without ``force``."""
    outcome = run_script(
        """
        import procession

        procession.get_context()
        try:
            procession.set_start_method("spawn")
        except RuntimeError:
            print("refused")
        """
    )
    assert outcome.stdout.strip() == "refused"


def put_double(results: Any, number: int) -> None:
    """In a child: put twice the number."""
    results.put(2 * number)


def test_default_process_is_started_by_the_chosen_method(run_script: RunScript) -> None:
    """``procession.Process`` and ``Queue`` follow ``set_start_method``, children included."""
    outcome = run_script(
        """
        import procession

        def report(results):
            results.put(procession.get_start_method())

        if __name__ == "__main__":
            for method in procession.get_all_start_methods():
                procession.set_start_method(method, force=True)
                results = procession.Queue()
                process = procession.Process(target=report, args=(results,))
                process.start()
                print(results.get() == method)
                process.join()
        """
    )
    assert outcome.stdout.split() == ["True"] * len(procession.get_all_start_methods())


@pytest.mark.parametrize("kind", ["Queue", "JoinableQueue", "SimpleQueue"])
def test_queues_of_a_context_reach_its_processes(context: BaseContext, kind: str) -> None:
    """A queue that a context makes is handed to the process that it makes."""
    results = getattr(context, kind)()
    process = context.Process(target=put_double, args=(results, 21))
    process.start()
    assert results.get() == 42
    process.join(HANG_GUARD_SECONDS)
    process.close()
    results.close()


def send_and_close(sender: Any) -> None:
    """In a child: send a message and be done."""
    with sender:
        sender.send([42, None, "hello"])


def test_pipe_of_a_context_reaches_its_processes(context: BaseContext) -> None:
    """So is the end of a pipe; the other end sees the end of file."""
    ours, childs = context.Pipe()
    process = context.Process(target=send_and_close, args=(childs,))
    process.start()
    childs.close()
    assert ours.recv() == [42, None, "hello"]
    with pytest.raises(EOFError):
        ours.recv()
    process.join(HANG_GUARD_SECONDS)
    process.close()
    ours.close()


def echo_between(first: Any, second: Any) -> None:
    """In a child: close one end of a pipe, and answer at the other."""
    first.close()
    second.send(second.recv())


def test_both_ends_of_a_pipe_reach_a_process(context: BaseContext) -> None:
    """A process may be given both; each is its own there, and may be closed alone."""
    ours, childs = context.Pipe()
    process = context.Process(target=echo_between, args=(ours, childs))
    process.start()
    childs.close()
    ours.send("there and back")
    assert ours.recv() == "there and back"
    process.join(HANG_GUARD_SECONDS)
    assert process.exitcode == 0
    process.close()
    ours.close()


def add_under(lock: Any, value: Any, array: Any, times: int) -> None:
    """In a child: count in shared memory, under the lock."""
    for _ in range(times):
        with lock:
            value.value += 1
            array[0] += 2


def test_locks_and_shared_values_reach_processes(context: BaseContext) -> None:
    """``Lock``, ``Value`` and ``Array`` of a context are shared with its processes."""
    lock = context.Lock()
    value, array = context.Value("i", 0), context.Array("i", 1, lock=False)
    processes = [
        context.Process(target=add_under, args=(lock, value, array, 200)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(HANG_GUARD_SECONDS)
        process.close()
    assert value.value == 600
    assert array[0] == 1200


def meet(barrier: Any, event: Any, semaphore: Any, condition: Any) -> None:
    """In a child: use each means of waiting for others."""
    barrier.wait(HANG_GUARD_SECONDS)
    with semaphore:
        event.set()
    with condition:
        condition.notify_all()


def test_other_means_of_waiting_reach_processes(context: BaseContext) -> None:
    """``Barrier``, ``Event``, ``Semaphore``, ``Condition`` and ``RLock`` do, too."""
    barrier, event = context.Barrier(2), context.Event()
    semaphore, condition = context.BoundedSemaphore(1), context.Condition(context.RLock())
    process = context.Process(target=meet, args=(barrier, event, semaphore, condition))
    with condition:
        process.start()
        barrier.wait(HANG_GUARD_SECONDS)
        assert event.wait(HANG_GUARD_SECONDS)
        assert condition.wait(HANG_GUARD_SECONDS)
    process.join(HANG_GUARD_SECONDS)
    assert process.exitcode == 0
    process.close()


def fill(shared: Any, jobs: Any) -> None:
    """In a child: use the proxies of a manager."""
    shared["pid"] = os.getpid()
    jobs.put("done")


def test_manager_works_with_our_processes(context: BaseContext) -> None:
    """``Manager()`` starts its server by our context, and its proxies go to processes."""
    with context.Manager() as manager:
        shared, jobs = manager.dict(), manager.Queue()
        process = context.Process(target=fill, args=(shared, jobs))
        process.start()
        assert jobs.get(timeout=HANG_GUARD_SECONDS) == "done"
        assert dict(shared) == {"pid": process.pid}
        process.join(HANG_GUARD_SECONDS)
        process.close()
        assert type(manager._process).__module__ == "procession.context"


def square(number: int) -> int:
    """In a worker."""
    return number * number


def fail_with(number: int) -> int:
    """In a worker."""
    raise LookupError(number)


def test_executor_of_the_standard_library_takes_our_context(context: BaseContext) -> None:
    """``ProcessPoolExecutor(mp_context=...)`` works with each of our contexts."""
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(square, range(20), chunksize=3)) == [n * n for n in range(20)]
        with pytest.raises(LookupError):
            executor.submit(fail_with, 1).result(HANG_GUARD_SECONDS)
        assert executor.submit(square, 7).result(HANG_GUARD_SECONDS) == 49


def test_pool_of_a_context_uses_its_processes(context: BaseContext) -> None:
    """``Pool()`` of a context has workers of its start method."""
    with context.Pool(2) as pool:
        assert pool.map(square, range(10)) == [n * n for n in range(10)]
        assert {type(worker) for worker in pool._pool} == {context.Process}
    pool.join()


def test_pool_without_a_context_follows_the_program(run_script: RunScript) -> None:
    """``procession.pool.Pool`` by itself uses procession's context of the start method."""
    outcome = run_script(
        """
        import procession
        from procession.pool import Pool

        if __name__ == "__main__":
            procession.set_start_method("spawn")
            for pool in (Pool(1), procession.Pool(1)):
                with pool:
                    print(type(pool._ctx).__name__, pool._ctx is procession.get_context())
                pool.join()
        """
    )
    assert outcome.stdout.split() == ["SpawnContext", "True"] * 2


def test_queue_time_out_is_that_of_the_standard_library(context: BaseContext) -> None:
    """An empty queue raises ``queue.Empty``."""
    made = context.Queue()
    with pytest.raises(queue.Empty):
        made.get(timeout=0.01)
    made.close()


def test_queue_of_any_context_reaches_any_process(context: BaseContext) -> None:
    """Our queues belong to no start method; a process of another context takes them, too."""
    for method in procession.get_all_start_methods():
        results = procession.get_context(method).Queue()
        process = context.Process(target=put_double, args=(results, 4))
        process.start()
        assert results.get(timeout=HANG_GUARD_SECONDS) == 8
        process.join(HANG_GUARD_SECONDS)
        process.close()
        results.close()


def test_small_functions_are_there(context: BaseContext) -> None:
    """``cpu_count``, ``freeze_support``, the logger and ``allow_connection_pickling`` work."""
    assert context.cpu_count() == os.cpu_count()
    assert context.get_logger() is multiprocessing.get_logger()
    context.freeze_support()
    context.allow_connection_pickling()
    assert context.reducer is multiprocessing.reduction
