"""What holds of locks and semaphores, whatever the start method."""

from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize as std
import os
import queue
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import heap
from multiprocessing.context import BaseContext
from multiprocessing.queues import Queue as StandardQueue
from typing import Any

import pytest

from tests.contracts import lock_users
from tests.contracts.conftest import Start
from tests.waiting import HANG_GUARD_SECONDS, wait_until

REPETITIONS = 300

HEAP = heap.BufferWrapper(8)
"""The standard library's heap keeps its first memory for good: have it before any test."""


class LockContract:
    """Lock, RLock, Semaphore, BoundedSemaphore."""

    @pytest.mark.parametrize("kind", ["Lock", "RLock", "Semaphore", "BoundedSemaphore"])
    def test_is_an_instance_of_the_standard_class(self, context: BaseContext, kind: str) -> None:
        """Each is a subclass of the standard library's of the same name."""
        made = getattr(context, kind)()
        assert isinstance(made, getattr(std, kind))
        assert made._semlock._get_value() == 1
        assert made._semlock.SEM_VALUE_MAX == std.SEM_VALUE_MAX
        assert made._semlock.name is None or isinstance(made._semlock.name, str)

    def test_lock_is_held_once(self, context: BaseContext) -> None:
        """A Lock is acquired once, by whomever, and released by whomever."""
        lock = context.Lock()
        assert lock.acquire() is True
        assert lock.locked()
        assert lock.acquire(False) is False
        assert lock.acquire(block=True, timeout=0.01) is False
        assert lock.acquire(True, -1) is False
        lock.release()
        assert not lock.locked()
        with lock as entered:
            assert entered is True
            assert lock.locked()
        with pytest.raises(ValueError, match="released too many times"):
            lock.release()

    def test_rlock_is_held_again_by_its_thread(self, context: BaseContext) -> None:
        """The thread that holds an RLock may acquire it again; no other may even release it."""
        lock = context.RLock()
        assert lock.acquire()
        assert lock.acquire()
        outcomes: list[Any] = []

        def other() -> None:
            outcomes.append(lock.acquire(False))
            with pytest.raises(AssertionError, match="not owned"):
                lock.release()

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert outcomes == [False]
        lock.release()
        assert lock.locked()
        lock.release()
        assert not lock.locked()
        with pytest.raises(AssertionError, match="not owned"):
            lock.release()

    def test_semaphore_counts(self, context: BaseContext) -> None:
        """A semaphore is acquired as often as it was released and its value said."""
        semaphore = context.Semaphore(2)
        assert semaphore.acquire()
        assert semaphore.acquire()
        assert semaphore.acquire(False) is False
        for _ in range(4):
            semaphore.release()
        assert semaphore.get_value() == 4
        bounded = context.BoundedSemaphore(2)
        with pytest.raises(ValueError, match="released too many times"):
            bounded.release()
        with pytest.raises(OSError, match="Invalid argument"):
            context.Semaphore(-1)
        with pytest.raises(OverflowError):
            context.Semaphore(2**40)

    def test_repr_tells_the_owner(self, context: BaseContext) -> None:
        """The text of a lock says who holds it, as the standard library's does."""
        lock, recursive = context.Lock(), context.RLock()
        assert repr(lock) == "<Lock(owner=None)>"
        assert repr(recursive) == "<RLock(None, 0)>"
        with lock, recursive, recursive:
            name = multiprocessing.current_process().name
            assert repr(lock) == f"<Lock(owner={name})>"
            assert repr(recursive) == f"<RLock({name}, 2)>"
        assert repr(context.Semaphore(3)) == "<Semaphore(value=3)>"
        assert repr(context.BoundedSemaphore(3)) == "<BoundedSemaphore(value=3, maxvalue=3)>"

    @pytest.mark.parametrize("kind", ["Lock", "RLock"])
    def test_excludes_other_processes(self, context: BaseContext, start: Start, kind: str) -> None:
        """What is done under a lock is done by one process at a time."""
        lock, value = getattr(context, kind)(), context.Value("q", 0, lock=False)
        processes = [start(lock_users.count_up, lock, value, REPETITIONS) for _ in range(3)]
        for process in processes:
            process.join(HANG_GUARD_SECONDS)
            assert process.exitcode == 0
        assert value.value == 3 * REPETITIONS

    def test_value_has_a_lock_of_ours(self, context: BaseContext, start: Start) -> None:
        """Value and Array are guarded by the context's own locks."""
        value, array = context.Value("q", 0), context.Array("i", 3)
        kind = type(context.RLock())
        assert type(value.get_lock()) is kind
        assert type(array.get_lock()) is kind
        processes = [start(lock_users.add_many, value, REPETITIONS) for _ in range(2)]
        for process in processes:
            process.join(HANG_GUARD_SECONDS)
        assert value.value == 2 * REPETITIONS

    def test_child_has_acquired_nothing(self, context: BaseContext, start: Start) -> None:
        """What the parent holds is held, but not by its child."""
        told = context.Queue()
        for kind in ("Lock", "RLock"):
            lock = getattr(context, kind)()
            with lock:
                start(lock_users.state_of, lock, told)
                assert told.get(timeout=HANG_GUARD_SECONDS) == (False, False, 0)

    def test_another_process_may_release_a_lock(self, context: BaseContext, start: Start) -> None:
        """A Lock acquired here is released there."""
        lock = context.Lock()
        lock.acquire()
        start(lock_users.release, lock).join(HANG_GUARD_SECONDS)
        assert lock.acquire(timeout=HANG_GUARD_SECONDS)

    def test_many_cost_few_descriptors(self, context: BaseContext) -> None:
        """A thousand locks do not take a thousand descriptors."""
        before = len(os.listdir("/proc/self/fd"))
        locks = [context.Lock() for _ in range(1000)]
        assert len(os.listdir("/proc/self/fd")) < before + 20
        assert not any(lock.locked() for lock in locks)

    def test_standard_executor_takes_the_context(self, context: BaseContext) -> None:
        """concurrent.futures and its queues, which pickle their locks, run with our locks."""
        with ProcessPoolExecutor(2, mp_context=context) as executor:
            assert list(executor.map(abs, range(-20, 0))) == list(range(20, 0, -1))

    def test_standard_queue_takes_the_context(self, context: BaseContext) -> None:
        """The standard library's own Queue works with our locks."""
        made: StandardQueue[int] = StandardQueue(ctx=context)
        made.put(1)
        assert made.get(timeout=HANG_GUARD_SECONDS) == 1
        with pytest.raises(queue.Empty):
            made.get(timeout=0.01)
        made.close()
        made.join_thread()


class ConditionContract:
    """Condition, Event, Barrier."""

    @pytest.mark.parametrize("kind", ["Lock", "RLock"])
    def test_notifies_as_many_as_asked(self, context: BaseContext, start: Start, kind: str) -> None:
        """notify(n) wakes n, notify_all() the rest; who is not notified goes on waiting."""
        condition = context.Condition(getattr(context, kind)())
        asleep, told = context.Semaphore(0), context.Queue()
        for _ in range(4):
            start(lock_users.wait_and_tell, condition, asleep, told, None)
        for _ in range(4):
            assert asleep.acquire(timeout=HANG_GUARD_SECONDS)
        with condition:
            condition.notify(2)
        assert all(told.get(timeout=HANG_GUARD_SECONDS)[1] for _ in range(2))
        with pytest.raises(queue.Empty):
            told.get(timeout=0.05)
        with condition:
            condition.notify_all()
        assert all(told.get(timeout=HANG_GUARD_SECONDS)[1] for _ in range(2))

    def test_wants_the_lock(self, context: BaseContext) -> None:
        """wait() and notify() are for those who hold the lock."""
        condition = context.Condition()
        for call in (condition.wait, condition.notify, condition.notify_all):
            with pytest.raises(AssertionError):
                call()

    def test_recursion_survives_a_wait(self, context: BaseContext) -> None:
        """A wait releases an RLock wholly and acquires it as often as before."""
        condition = context.Condition()
        with condition, condition:
            assert condition.wait(0.01) is False
            assert condition._lock._semlock._count() == 2
        with pytest.raises(AssertionError):
            condition.release()

    def test_wait_for(self, context: BaseContext) -> None:
        """wait_for() gives the predicate's last value."""
        condition = context.Condition()
        with condition:
            assert condition.wait_for(lambda: 7) == 7
            assert condition.wait_for(lambda: 0, timeout=0.01) == 0

    def test_takes_a_standard_lock(self, context: BaseContext) -> None:
        """A lock of the standard library serves as well."""
        lock = multiprocessing.get_context("fork").Lock()
        condition = context.Condition(lock)
        threads = [threading.Thread(target=lock_users.notify_one, args=(condition,))]
        with condition:
            threads[0].start()
            assert condition.wait(HANG_GUARD_SECONDS) is True
        threads[0].join()

    def test_hundreds_of_rounds(self, context: BaseContext) -> None:
        """Threads hand a turn to each other hundreds of times; no notification is lost."""
        condition, turns = context.Condition(), [0]

        def play(mine: int) -> None:
            for _ in range(REPETITIONS):
                with condition:
                    assert condition.wait_for(lambda: turns[0] % 2 == mine, HANG_GUARD_SECONDS)
                    turns[0] += 1
                    condition.notify_all()

        threads = [threading.Thread(target=play, args=(mine,)) for mine in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert turns == [2 * REPETITIONS]

    def test_event(self, context: BaseContext, start: Start) -> None:
        """An event wakes all who wait, and is exact when asked."""
        event, asleep, told = context.Event(), context.Semaphore(0), context.Queue()
        assert isinstance(event, std.Event)
        assert not event.is_set()
        assert event.wait(0) is False
        assert event.wait(timeout=0.01) is False
        for _ in range(2):
            start(lock_users.wait_for_event, event, asleep, told)
        for _ in range(2):
            assert asleep.acquire(timeout=HANG_GUARD_SECONDS)
        event.set()
        assert event.is_set()
        assert event.wait() is True
        assert [told.get(timeout=HANG_GUARD_SECONDS) for _ in range(2)] == [True, True]
        event.clear()
        assert not event.is_set()

    def test_barrier(self, context: BaseContext, start: Start) -> None:
        """All pass together, each with a number of its own, time and again."""
        barrier, told = context.Barrier(2), context.Queue()
        assert isinstance(barrier, std.Barrier)
        assert barrier.parties == 2
        for _ in range(3):
            start(lock_users.pass_barrier, barrier, told, HANG_GUARD_SECONDS)
            mine = barrier.wait(HANG_GUARD_SECONDS)
            assert {mine, told.get(timeout=HANG_GUARD_SECONDS)} == {0, 1}

    def test_barrier_breaks(self, context: BaseContext, start: Start) -> None:
        """abort(), a time-out and a failed action break a barrier; reset() repairs it."""
        barrier, told = context.Barrier(2), context.Queue()
        start(lock_users.pass_barrier, barrier, told, HANG_GUARD_SECONDS)
        wait_until(lambda: barrier.n_waiting == 1)
        barrier.abort()
        assert told.get(timeout=HANG_GUARD_SECONDS) == "broken"
        assert barrier.broken
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()
        barrier.reset()
        assert not barrier.broken
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait(0.01)
        assert barrier.broken
        failing = context.Barrier(1, action=_fail)
        with pytest.raises(ZeroDivisionError):
            failing.wait()
        assert failing.broken

    @pytest.mark.parametrize("kind", ["Lock", "Condition", "Event"])
    def test_interrupt_ends_a_wait(self, context: BaseContext, start: Start, kind: str) -> None:
        """Ctrl-C ends whatever waits, and leaves the lock as a wait that ended would."""
        made = getattr(context, kind)()
        if kind != "Event":
            made.acquire()
        wait = made.acquire if kind == "Lock" else made.wait
        process = start(lock_users.interrupt, os.getpid(), 0.2)
        with pytest.raises(KeyboardInterrupt):
            wait(True, HANG_GUARD_SECONDS) if kind == "Lock" else wait(HANG_GUARD_SECONDS)
        if kind != "Event":
            made.release()
        process.join(HANG_GUARD_SECONDS)


def _fail() -> None:
    raise ZeroDivisionError
