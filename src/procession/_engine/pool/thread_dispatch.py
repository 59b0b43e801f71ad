"""Which thread is at which call.

What waits in line is calls that want a thread.  A thread takes the first and stays with it as
long as it has tasks, and no longer than a turn when others are in line; then the call goes to the
end of the line.  So calls take turns, and as long as there is one, nobody pays for that.

A call of several tasks is in line, or threads are at it, or it is parked, as it has nothing to give
at the moment; whoever makes room or reads on invites it.  A thread with nothing to do joins
others at their call, or takes tasks out of another's hands (thread_hands.py).

Nobody sleeps while there is something to do: a thread that goes to sleep counts itself as asleep
first and looks around second, under the lock; whoever makes tasks available does that first
and looks whether anybody is asleep second.  So one of them sees the other.  A call is parked, and
looked at for the last time, under the lock under which it is invited.
"""

from __future__ import annotations

import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from weakref import WeakSet

from procession._engine import lifecycle
from procession._engine.pool.calls import Call
from procession._engine.pool.thread_hands import Hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import Any, Final

    from procession._engine.pool.thread_calls import SharedCall
    from procession._engine.pool.thread_stats import Post

__all__ = ["Dispatch"]

TURN_SECONDS: Final = 0.001
"""How long a thread stays at a call, or until the end of a task, while others are in line."""

_LOOK_AROUND: Final = object()
"""In line: there is something for one more thread at a call that others are at."""

_dispatches: WeakSet[Dispatch] = WeakSet()


class Dispatch:
    """The line, the calls that threads are at, and the tasks in their hands.

    ``crowded``: something may be in line that a thread at work should turn to.  ``asleep``:
    how many threads have nothing to do.
    """

    def __init__(
        self, lock: threading.RLock, size: int, end_if_done: Callable[[Call], object]
    ) -> None:
        self._lock = lock
        self._end_if_done = end_if_done
        self.line: SimpleQueue[Any] = SimpleQueue()
        self.crowded = False
        self.asleep = 0
        self.hands: list[Hand | None] = [None] * size
        self._active: dict[int, SharedCall] = {}
        self._parked: dict[int, SharedCall] = {}
        self._looking = False
        _dispatches.add(self)

    # ---- calls come and go; the lock is held

    def put(self, call: Call) -> None:
        """Put a call in line."""
        self.line.put(call)
        self.crowded = True

    def park(self, call: Any) -> None:
        """Take in a call that is to be invited."""
        self._parked[call.number] = call

    def invite(self, call: Any) -> None:
        """A call may have tasks to give: have a thread look."""
        if self._parked.pop(call.number, None) is not None:
            self.put(call)
        elif self.asleep and call.number in self._active:
            self._call_one()

    def leave(self, call: SharedCall, slot: int) -> None:
        """A thread is no longer at a call."""
        call.open.discard(slot)
        if call.ended or call.open:
            return
        del self._active[call.number]
        if call.has_more():
            self.put(call)
        elif call.exhausted:
            self._end_if_done(call)
        else:
            self._parked[call.number] = call

    def forget(self, call: Call) -> None:
        """A call has ended: take what was not begun of it out of the threads' hands."""
        self._parked.pop(call.number, None)
        self._active.pop(call.number, None)
        if call.failed is not None:
            for hand in self.hands:
                if hand is not None and hand.call is call:
                    hand.clear()

    def end_abandoned(self) -> None:
        """End the calls whose iterators were dropped while they were parked."""
        for call in list(self._parked.values()):
            if call.exhausted:
                self._end_if_done(call)

    def clear(self) -> None:
        """Drop all that waits."""
        with suppress(Empty):
            while True:
                self.line.get_nowait()
        self._looking = False

    # ---- threads come and go

    def next_work(self, slot: int, post: Post) -> Call | Hand | None:
        """Wait for something to do; None: the thread is to end.

        A call of one task, a call of several that the thread is now at, or tasks of one.
        """
        while True:
            try:
                entry = self.line.get_nowait()
            except Empty:
                entry = self._sleep(slot, post)
            if entry is _LOOK_AROUND:
                with self._lock:
                    self._looking = False
                    entry = self._look_around(slot)
                if entry is not None:
                    return entry
            elif not isinstance(entry, Call) or self._begin(entry, slot):
                return entry  # type: ignore[no-any-return]  # what was put in line or found

    def _begin(self, call: Any, slot: int) -> bool:
        """Take a call from the line; returns whether it is still wanted."""
        with self._lock:
            if self.line.empty():
                self.crowded = False
            if call.ended:
                return False
            if not call.is_single_task:
                self._active[call.number] = call
                call.open.add(slot)
            call.begun = True
        return True

    def _sleep(self, slot: int, post: Post) -> Any:
        """Wait until something is in line, unless there is something to do elsewhere."""
        with self._lock:
            self.asleep += 1  # before looking
            if self.line.empty():  # nobody can put anything there now
                self.crowded = False
                found = self._look_around(slot)
                if found is not None:
                    self.asleep -= 1
                    return found
        post.rest()
        try:
            return self.line.get()
        finally:
            post.work()
            with self._lock:
                self.asleep -= 1

    def _look_around(self, slot: int) -> SharedCall | Hand | None:
        """Join others at their call, or take tasks out of their hands.  Lock held."""
        for call in self._active.values():
            if call.has_more():
                call.open.add(slot)
                return call
        for other in self.hands:
            hand = None if other is None or other.call.ended else other.give_half()
            if hand is not None:
                hand.call.open.add(slot)
                return hand
        return None

    def share(self, call: SharedCall) -> None:
        """A thread is about to draw from a call: have one that sleeps join it, for the rest."""
        if self.asleep and not self._looking and call.has_more(besides=1):
            with self._lock:
                self._call_one()

    def show(self, hand: Hand, slot: int) -> None:
        """A thread has several tasks in its hands, and others may take some of them."""
        self.hands[slot] = hand
        # Who was called and has not looked yet will look after this.
        if self.asleep and not self._looking:
            with self._lock:
                self._call_one()

    def _call_one(self) -> None:
        """Have one thread that sleeps look around; it calls the next.  Lock held."""
        if self.asleep and not self._looking:
            self._looking = True
            self.line.put(_LOOK_AROUND)

    def is_over(self, since: float) -> bool:
        """Whether a thread, at a call since then, should turn to who is in line."""
        if time.monotonic() - since < TURN_SECONDS:
            return False
        with self._lock:
            if self.line.empty():
                self.crowded = False
            return self.crowded

    def stop(self) -> None:
        """Let all threads end when they have nothing to do.  Lock held."""
        for _ in self.hands:
            self.line.put(None)

    # ---- for others

    def drop_tasks(self) -> None:
        """Take what was not begun out of everybody's hands, in a child that a task has forked."""
        for call in list(self._active.values()):
            call.drop()
        for hand in self.hands:
            if hand is not None:
                hand.clear()


def _drop_all_tasks() -> None:
    """A task that returns in a child that it has forked must not begin the next there."""
    for dispatch in list(_dispatches):
        dispatch.drop_tasks()


lifecycle.in_forked_child(_drop_all_tasks)
