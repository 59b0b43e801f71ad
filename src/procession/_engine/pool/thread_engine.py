"""The heart of a pool of threads: calls that threads help themselves from.

Threads see the callers' objects, so nothing travels: no messages, no ledger, no collector.  What
waits in line is calls, not tasks.  A thread takes the first call from the line, takes some
tasks out of it, puts it back at the end of the line for others, runs the tasks, and puts the
results where they belong.  So calls take turns, a task that nobody has begun is in nobody's
hands, and input is read no earlier than it is needed.

A call is in line once, or in one thread's hands, or parked; who has it in hand is the only one to
read its input, which may be the user's code and runs under no lock.  It is parked when it has
nothing to give at the moment, and invited again by whoever makes room or reads on.  Who invites
a call that is not parked leaves word, so that it is looked at once more before it is parked.

One lock guards the state of all calls, and no code of users runs under it.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NoReturn

from procession._engine import lifecycle
from procession._engine.errors import ProcessError
from procession._engine.pool.calls import ApplyCall, Call, StreamCall
from procession._engine.pool.engine import CLOSE, RUN, TERMINATE
from procession._engine.pool.supervisor import run_callback
from procession._engine.pool.thread_crew import ThreadCrew

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from procession._engine.pool.thread_hands import Hand

__all__ = ["ThreadEngine"]

_READER_SECONDS: Final = 0.01
"""While an input is read in bursts, look so often at what was read."""

_LOOK_AROUND: Final = object()
"""In line: there may be something in another thread's hands."""

_FAILED_STARTS: Final = 3
"""So many initializers in a row that raise break the pool."""


class ThreadEngine:
    """State and work of one pool of threads.  Knows nothing of the object that users hold.

    ``calls`` are those whose outcome is not yet known.  Of a call with several tasks ``open`` are
    the slots of the threads that are at it.
    """

    def __init__(
        self,
        make: Callable[..., Any],
        size: int,
        initializer: Callable[..., object] | None,
        initargs: Iterable[Any],
    ) -> None:
        self.pid = os.getpid()
        self.generation = lifecycle.generation
        self.state = RUN
        self.broken: BaseException | None = None
        self.lock = threading.RLock()
        self.calls: dict[int, Call] = {}
        self.tasks: SimpleQueue[Any] = SimpleQueue()
        self.results = self.tasks  # there is no other
        self.crew = ThreadCrew(self, make, size, initializer, tuple(initargs))
        self._idle = threading.Condition(self.lock)
        self._stopping = False
        self._parked: dict[int, Call] = {}
        self._look_again: set[int] = set()
        self._hands: list[Hand | None] = [None] * size
        self._asleep = 0
        self._callbacks: SimpleQueue[Call | None] = SimpleQueue()
        self._caller: threading.Thread | None = None
        self._failed_starts = 0

    def check_process(self) -> None:
        """Raise RuntimeError in a forked child, which has none of the threads."""
        if self.generation is not lifecycle.generation:
            raise RuntimeError(
                f"this pool's threads are in process {self.pid}, not in its forked child"
                f" {os.getpid()}: make a ThreadPool in the process that uses it"
            )

    # ---- calls come in

    def submit(self, call: Call) -> None:
        """Begin a call.  Raises what broke the pool, if it is broken."""
        with self.lock:
            if self.broken is not None:
                raise self.broken
            if self.state != RUN:
                raise ValueError("Pool not running")
            self.calls[call.number] = call
            if call.has_callback and self._caller is None:
                self._start_caller()
            if call.is_single_task:
                self.tasks.put(call)
                return
            self._end_abandoned()
            if call.is_done():
                self._end_if_done(call)
                return
            self._parked[call.number] = call
        if isinstance(call, StreamCall) and call.reader is not None:
            call.reader.start()
        self.invite(call)

    def look_after(self, call: Call) -> None:
        """Nothing: the threads need nobody to wait for them."""

    def abandon(self, call: Call) -> None:
        """An exception left the caller of a call: nobody can ever have its results."""
        with self.lock:
            self._end_with(call, ProcessError(f"the caller of {call.name} was interrupted"))

    def cancel(self, call: Call, *, running: bool, grace: float) -> bool:  # noqa: ARG002
        """End a call of which no task has begun; returns whether it is cancelled.

        Raises ValueError with ``running``, as no thread can be made to stop.
        """
        from concurrent.futures import CancelledError  # noqa: PLC0415  # it imports much

        if running:
            raise ValueError(
                "a ThreadPool cannot cancel what runs, as threads cannot be interrupted:"
                " use cancel() for what has not begun, or a Pool of processes"
            )
        with self.lock:
            if call.ended:
                return isinstance(call.failed, CancelledError)
            if call.begun:
                return False
            self._end_with(call, CancelledError(f"{call.name} was cancelled"))
        return True

    def invite(self, call: Call) -> None:
        """A call may have tasks to give: have a thread look."""
        with self.lock:
            if self._parked.pop(call.number, None) is not None:
                self.tasks.put(call)
            elif not call.ended:
                self._look_again.add(call.number)

    feed_from_reader = invite

    def refill(self, call: StreamCall) -> None:
        """Make use of the room for more input that results taken have left."""
        if call.reader is not None:
            call.reader.resume()
        if not call.exhausted and call.wants_input():
            self.invite(call)
        call.note_refilled()

    # ---- waiting

    def wait(self, call: Call, timeout: float | None = None) -> bool:
        """Wait until the call is ready, at most ``timeout`` seconds; returns whether it is."""
        deadline = None if timeout is None else time.monotonic() + timeout
        reader = call.reader if isinstance(call, StreamCall) else None
        with self.lock:
            changed = call.changed
            if changed is None:
                changed = call.changed = threading.Condition(self.lock)
            call.waiting += 1
            try:
                while not call.is_ready():
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        return False
                    if reader is not None and reader.bursting:
                        # Nobody can be told of what is read in the middle of a burst.
                        self.invite(call)
                        left = _READER_SECONDS if left is None else min(_READER_SECONDS, left)
                    changed.wait(left)
            finally:
                call.waiting -= 1
        return True

    def catch_up(self) -> None:
        """Nothing: results are where they belong when they are there."""

    def stats(self) -> NoReturn:
        """Raise NotImplementedError: threads keep no count."""
        raise NotImplementedError("a ThreadPool keeps no stats(); a Pool of processes does")

    def replace_dead(self) -> None:
        """Nothing: no task ends a thread."""

    # ---- what the threads do

    def note_start(self, error: BaseException | None) -> bool:
        """Take in how an initializer ended; returns whether the thread is to go on."""
        with self.lock:
            self._failed_starts = 0 if error is None else self._failed_starts + 1
            if error is not None and self._failed_starts >= _FAILED_STARTS:
                self._break_down(error)
            return self.broken is None

    def next_work(self, slot: int) -> tuple[Call | None, Hand | None]:
        """Wait for something to do: a call from the line, or tasks from a busy thread's hands.

        Neither, and the thread is to end.
        """
        entry: Any = _LOOK_AROUND
        while entry is _LOOK_AROUND:
            try:
                entry = self.tasks.get_nowait()
            except Empty:
                with self.lock:
                    hand = self._take_away(slot)
                    if hand is not None:
                        return hand.call, hand
                    # From now on whoever takes several tasks says so.
                    self._asleep += 1
                try:
                    entry = self.tasks.get()
                finally:
                    with self.lock:
                        self._asleep -= 1
        return entry, None

    def _take_away(self, slot: int) -> Hand | None:
        """Take tasks that nobody has begun out of another thread's hands.  Lock held."""
        for other in self._hands:
            hand = None if other is None or other.call.ended else other.give_half()
            if hand is not None:
                hand.call.open.add(slot)
                return hand
        return None

    def show_hand(self, hand: Hand, slot: int) -> None:
        """A thread has several tasks in its hands, and others may take some of them."""
        with self.lock:
            self._hands[slot] = hand
            if self._asleep:
                self.tasks.put(_LOOK_AROUND)

    def look_at(self, hand: Hand, items: Iterator[Any]) -> tuple[int, bool]:
        """A thread has drawn all of ``items``: how many of its tasks are run, and is it all?"""
        with self.lock:
            through = hand.items is items
            return hand.size if through else hand.drawn, through

    def begin(self, call: Call, slot: int) -> bool:
        """A thread has taken a call from the line; returns whether it is still wanted."""
        with self.lock:
            if call.ended:
                return False
            call.begun = True
            call.open.add(slot)
            self._look_again.discard(call.number)
            return True

    def pass_on(self, call: Call) -> None:
        """A thread has taken tasks: others may take the next."""
        if not call.exhausted:
            self.tasks.put(call)

    def park(self, call: Call, slot: int) -> None:
        """A thread that has a call in hand found nothing in it to do now."""
        with self.lock:
            call.open.discard(slot)
            if call.exhausted:
                self._end_if_done(call)
            elif call.number in self._look_again:
                self.tasks.put(call)
            elif not call.ended:
                self._parked[call.number] = call

    def settle(self, call: Call, index: int, error: BaseException) -> Any:
        """Take in that a task ended with an exception; returns what stands for its result."""
        with self.lock:
            return None if call.ended else call.settle(index, error)

    def put_in_line(self, call: StreamCall, first: int, values: list[Any]) -> None:
        """Tasks of an iterator have ended: their results can be taken."""
        with self.lock:
            if not call.ended:
                put = call.line.put
                for index, value in enumerate(values, first):
                    put(index, value)
                if call.waiting and call.changed is not None:
                    call.changed.notify_all()

    def put_in_place(self, call: Call, first: int, values: list[Any]) -> None:
        """Tasks of a map have ended."""
        with self.lock:
            if not call.ended:
                call.sink[first : first + len(values)] = values

    def leave(self, hand: Hand, slot: int, seconds: float) -> None:
        """A thread has run the tasks in its hands."""
        with self.lock:
            call = hand.call
            self._hands[slot] = None
            call.open.discard(slot)
            if hand.size:
                call.pace.learn(hand.size, seconds)
            self._end_if_done(call)

    def end_single(self, call: ApplyCall, value: Any, error: BaseException | None) -> None:
        """The only task of a call has ended."""
        with self.lock:
            if not call.ended:
                call.value, call.error = value, error
                self._end(call)

    def end_with(self, call: Call, error: BaseException) -> None:
        """End a call as a whole: a thread cannot go on with it."""
        with self.lock:
            self._end_with(call, error)

    # ---- the end of a call; the lock is held

    def _end_if_done(self, call: Call) -> None:
        if not call.ended and call.is_done():
            call.complete()
            self._end(call)

    def _end_with(self, call: Call, error: BaseException) -> None:
        if not call.ended:
            call.fail(error)
            self._forget_tasks(call)
            self._end(call)

    def _forget_tasks(self, call: Call) -> None:
        """Take what was not begun out of the threads' hands."""
        for hand in self._hands:
            if hand is not None and hand.call is call:
                hand.clear()

    def _end(self, call: Call) -> None:
        call.end()
        self._parked.pop(call.number, None)
        self._look_again.discard(call.number)
        if call.has_callback:
            # The outcome shows when the callback has run, as in the standard library.
            self._callbacks.put(call)
        else:
            self._show(call)

    def _show(self, call: Call) -> None:
        call.finished = True
        self.calls.pop(call.number, None)
        if call.waiting and call.changed is not None:
            call.changed.notify_all()
        if not self.calls:
            self._idle.notify_all()
            if self.state == CLOSE:
                self._stop()

    def _end_abandoned(self) -> None:
        """End the calls whose iterators were dropped while they were parked."""
        for call in list(self._parked.values()):
            self._end_if_done(call)

    # ---- callbacks

    def _start_caller(self) -> None:
        self._caller = threading.Thread(
            target=self._call_back, name="procession-pool-callbacks", daemon=True
        )
        self._caller.start()

    def _call_back(self) -> None:
        thread = threading.current_thread()
        while True:
            call = None  # while this thread waits it holds nothing of the users'
            call = self._callbacks.get()
            if call is None:
                return
            run_callback(call, thread)
            with self.lock:
                self._show(call)

    # ---- the end of the pool

    def close(self) -> None:
        """Take no more calls; threads end when those that came have ended."""
        with self.lock:
            if self.state == RUN:
                self.state = CLOSE
                self._end_abandoned()
                if not self.calls:
                    self._stop()

    def join(self) -> None:
        """Wait until everything is done and every thread has ended."""
        if threading.current_thread() in (self._caller, *self.crew.processes):
            raise RuntimeError("a task or callback cannot join its own pool")
        with self.lock:
            for call in list(self.calls.values()):
                if isinstance(call, StreamCall):
                    call.read_without_bound()
                    self.invite(call)
            while self.calls:
                self._idle.wait()
        self.crew.join()
        if self._caller is not None:
            self._caller.join()

    def terminate(self) -> None:
        """Begin nothing more; calls that are under way end with ProcessError."""
        if self.generation is not lifecycle.generation:
            return
        with self.lock:
            self.state = TERMINATE
            self._drop(ProcessError("the pool was terminated before this call had ended"))

    def _break_down(self, error: BaseException) -> None:
        """The pool cannot work: every call ends with the error, now and later.  Lock held."""
        self.broken = error
        self._drop(error)

    def _drop(self, error: BaseException) -> None:
        """End all calls without their callbacks, and let the threads end.  Lock held."""
        _empty(self._callbacks)
        for call in list(self.calls.values()):
            if not call.ended:
                call.fail(error)
                self._forget_tasks(call)
                call.end()
            self._show(call)
        self._parked.clear()
        self._look_again.clear()
        _empty(self.tasks)
        self._stopping = False
        self._stop()

    def _stop(self) -> None:
        """Let the threads end when they have nothing to do.  Lock held."""
        if not self._stopping:
            self._stopping = True
            for _ in range(self.crew.size):
                self.tasks.put(None)
            self._callbacks.put(None)


def _empty(line: SimpleQueue[Any]) -> None:
    with suppress(Empty):
        while True:
            line.get_nowait()
