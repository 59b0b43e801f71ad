"""What the processes of the locks' contract do."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any


def hold_for_ever(lock: Any, holding: Any) -> None:
    """Acquire, say so, never release."""
    lock.acquire()
    holding.put(os.getpid())
    signal.pause()


def acquire_and_exit(lock: Any) -> None:
    """Acquire and end without releasing."""
    lock.acquire()


def release(lock: Any) -> None:
    """Release what another process acquired."""
    lock.release()


def count_up(lock: Any, value: Any, times: int) -> None:
    """Count up, which goes wrong where the lock does not exclude."""
    for _ in range(times):
        with lock:
            value.value += 1


def wait_and_tell(condition: Any, asleep: Any, told: Any, timeout: float | None) -> None:
    """Wait for the condition; tell the outcome."""
    with condition:
        asleep.release()
        told.put((os.getpid(), condition.wait(timeout)))


def wait_for_event(event: Any, asleep: Any, told: Any) -> None:
    """Wait for the event; tell the outcome."""
    asleep.release()
    told.put(event.wait(60))


def notify_one(condition: Any) -> None:
    """Notify one of those who wait."""
    with condition:
        condition.notify()


def pass_barrier(barrier: Any, told: Any, timeout: float | None) -> None:
    """Pass the barrier; tell how."""
    try:
        told.put(barrier.wait(timeout))
    except threading.BrokenBarrierError:
        told.put("broken")


def use_and_tell(objects: Any, told: Any) -> None:
    """Take a lock out of a queue, acquire it, say so, release it when told."""
    lock, event = objects.get()
    with lock:
        told.put("acquired")
        event.wait(60)


def interrupt(pid: int, seconds: float) -> None:
    """Send SIGINT to a process after a while."""
    time.sleep(seconds)
    os.kill(pid, signal.SIGINT)


def state_of(lock: Any, told: Any) -> None:
    """Tell what a child finds of a lock that its parent holds."""
    told.put((lock.acquire(False), lock._semlock._is_mine(), lock._semlock._count()))


def add_many(value: Any, times: int) -> None:
    """Count a shared number up under its own lock."""
    for _ in range(times):
        with value.get_lock():
            value.value += 1
