"""What holds of locks and their kin when those who use them are killed; on the native transport."""

from __future__ import annotations

from multiprocessing.context import BaseContext

import pytest

from tests.contracts import lock_users
from tests.contracts.conftest import Start
from tests.waiting import HANG_GUARD_SECONDS, wait_until


class DeathContract:
    """Locks, semaphores, conditions, events and barriers of those who were killed."""

    @pytest.mark.parametrize("kind", ["Lock", "RLock"])
    def test_killed_holder_releases(self, context: BaseContext, start: Start, kind: str) -> None:
        """Who waits for the lock of a killed process is woken, has it, and learns of it."""
        lock, holding = getattr(context, kind)(), context.Queue()
        holder = start(lock_users.hold_for_ever, lock, holding)
        holding.get(timeout=HANG_GUARD_SECONDS)
        assert not lock.acquire(timeout=0.05)
        holder.kill()
        assert lock.acquire()
        assert lock.abandoned
        lock.release()
        with lock:
            assert not lock.abandoned

    def test_ended_holder_releases(self, context: BaseContext, start: Start) -> None:
        """A lock is also free when its holder ended by itself, without a word."""
        lock = context.Lock()
        start(lock_users.acquire_and_exit, lock).join(HANG_GUARD_SECONDS)
        assert lock.acquire(False)
        assert lock.abandoned

    def test_travels_in_queues(self, context: BaseContext, start: Start) -> None:
        """Locks and events go through queues, too, and stay what they are."""
        lock, event = context.Lock(), context.Event()
        objects, told = context.Queue(), context.Queue()
        process = start(lock_users.use_and_tell, objects, told)
        objects.put((lock, event))
        assert told.get(timeout=HANG_GUARD_SECONDS) == "acquired"
        assert not lock.acquire(False)
        event.set()
        assert lock.acquire(timeout=HANG_GUARD_SECONDS)
        assert not lock.abandoned
        process.join(HANG_GUARD_SECONDS)
        assert process.exitcode == 0

    def test_notify_does_not_wait_for_the_dead(self, context: BaseContext, start: Start) -> None:
        """A killed waiter is no waiter: the notification goes to the next."""
        condition, asleep, told = context.Condition(), context.Semaphore(0), context.Queue()
        waiters = []
        for _ in range(3):
            waiters.append(start(lock_users.wait_and_tell, condition, asleep, told, None))
            assert asleep.acquire(timeout=HANG_GUARD_SECONDS)
            with condition:  # free again: it waits
                pass
        waiters[0].kill()
        waiters[0].join(HANG_GUARD_SECONDS)
        for expected in waiters[1:]:
            with condition:
                condition.notify()
            assert told.get(timeout=HANG_GUARD_SECONDS) == (expected.pid, True)

    def test_barrier_does_not_count_the_dead(self, context: BaseContext, start: Start) -> None:
        """A barrier waits for somebody else in place of a killed waiter."""
        barrier, told = context.Barrier(3), context.Queue()
        victim = start(lock_users.pass_barrier, barrier, told, None)
        wait_until(lambda: barrier.n_waiting == 1)
        victim.kill()
        victim.join(HANG_GUARD_SECONDS)
        assert barrier.n_waiting == 0
        for _ in range(3):
            start(lock_users.pass_barrier, barrier, told, HANG_GUARD_SECONDS)
        assert sorted(told.get(timeout=HANG_GUARD_SECONDS) for _ in range(3)) == [0, 1, 2]

    @pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore"])
    def test_semaphore_of_the_killed_stays_acquired(
        self, context: BaseContext, start: Start, kind: str
    ) -> None:
        """It belongs to nobody, so nothing gives it back but a release, by anybody."""
        semaphore, holding = getattr(context, kind)(1), context.Queue()
        holder = start(lock_users.hold_for_ever, semaphore, holding)
        holding.get(timeout=HANG_GUARD_SECONDS)
        holder.kill()
        holder.join(HANG_GUARD_SECONDS)
        assert not semaphore.acquire(timeout=0.05)
        semaphore.release()
        assert semaphore.acquire(False)

    def test_semaphore_wakes_none_of_the_dead(self, context: BaseContext, start: Start) -> None:
        """What is released goes to those who live, whoever waited longer."""
        semaphore, holding = context.Semaphore(0), context.Queue()
        waiters = [start(lock_users.hold_for_ever, semaphore, holding) for _ in range(3)]
        semaphore.release()  # one of them gets it, the others wait, or will
        holding.get(timeout=HANG_GUARD_SECONDS)
        for victim in waiters[:2]:
            victim.kill()
            victim.join(HANG_GUARD_SECONDS)
        for _ in range(2):
            semaphore.release()
        alive, told = start(lock_users.hold_for_ever, semaphore, holding), set()
        while alive.pid not in told:
            told.add(holding.get(timeout=HANG_GUARD_SECONDS))

    def test_event_does_not_wait_for_the_dead(self, context: BaseContext, start: Start) -> None:
        """Who was killed while it waited keeps the event from nothing, this time or the next."""
        event, asleep, told = context.Event(), context.Semaphore(0), context.Queue()
        waiters = [start(lock_users.wait_for_event, event, asleep, told) for _ in range(2)]
        for _ in waiters:
            assert asleep.acquire(timeout=HANG_GUARD_SECONDS)
        waiters[0].kill()
        waiters[0].join(HANG_GUARD_SECONDS)
        event.set()
        assert told.get(timeout=HANG_GUARD_SECONDS) is True
        event.clear()
        start(lock_users.wait_for_event, event, asleep, told)
        assert asleep.acquire(timeout=HANG_GUARD_SECONDS)
        event.set()
        assert told.get(timeout=HANG_GUARD_SECONDS) is True
