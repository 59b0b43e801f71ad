"""The heart of a pool of threads: calls that threads help themselves from.

Threads see the callers' objects, so nothing travels: no messages, no ledger, no collector.  A
thread goes to a call (thread_dispatch.py), draws tasks (thread_calls.py), runs them and puts the
results where they belong, each of these by a call of C that no other thread can come between.
The lock is taken when a thread comes or leaves, when a task raises, and to wake who sleeps.

The lock guards the state of all calls, and no code of users runs under it.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue

from procession._engine.errors import ProcessError
from procession._engine.pool import generation
from procession._engine.pool.calls import ApplyCall, Call
from procession._engine.pool.states import CLOSE, RUN, TERMINATE
from procession._engine.pool.stream_call import StreamCall
from procession._engine.pool.supervisor import run_callback
from procession._engine.pool.thread_crew import ThreadCrew
from procession._engine.pool.thread_dispatch import Dispatch
from procession._engine.pool.thread_stats import read_stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final

    from procession._engine.pool.results import ApplyResult
    from procession._engine.pool.stats import PoolStats
    from procession._engine.pool.thread_calls import SharedCall

__all__ = ["ThreadEngine"]

_READER_SECONDS: Final = 0.01
"""While an input is read in bursts, look so often at what was read."""

_FAILED_STARTS: Final = 3
"""So many initializers in a row that raise break the pool."""


class ThreadEngine:
    """State and work of one pool of threads.  Knows nothing of the object that users hold.

    ``calls`` are those whose outcome is not yet known.  Of a call with several tasks ``open`` are
    the slots of the threads that are at it.
    """

    keep: Callable[[Any], Any] | None = None
    """Nothing is packed here: tasks get the objects themselves, as in the standard library."""

    def __init__(
        self,
        make: Callable[..., Any],
        size: int,
        initializer: Callable[..., object] | None,
        initargs: Iterable[Any],
    ) -> None:
        self.pid = os.getpid()
        self.generation = generation.current
        self.state = RUN
        self.broken: BaseException | None = None
        self.lock = threading.RLock()
        self.calls: dict[int, Call] = {}
        self.dispatch = Dispatch(self.lock, size, self._end_if_done)
        self.tasks = self.results = self.dispatch.line  # there is no other
        self.crew = ThreadCrew(self, make, size, initializer, tuple(initargs))
        self._idle = threading.Condition(self.lock)
        self._stopping = False
        self._callbacks: SimpleQueue[Call | None] = SimpleQueue()
        self._caller: threading.Thread | None = None
        self._failed_starts = 0

    def be_forgotten(self) -> None:
        """Nobody holds the pool, and threads are no descriptors."""

    def check_process(self) -> None:
        """Raise RuntimeError in a forked child, which has none of the threads."""
        if self.generation is not generation.current:
            raise RuntimeError(
                f"this pool's threads are in process {self.pid}, not in its forked child"
                f" {os.getpid()}: make a ThreadPool in the process that uses it"
            )

    # ---- calls come in

    def apply_async(self, pool: Any, engine: Any, function: Any, arguments: Any) -> None:
        """Return None: no call here has a way shorter than the usual one."""

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
                self.dispatch.put(call)
                return
            self.dispatch.end_abandoned()
            if call.is_done():
                self._end_if_done(call)
                return
            self.dispatch.park(call)
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
            self.dispatch.invite(call)

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
            while True:
                call.waiting = True  # before looking, as who puts a result there looks second
                if call.is_ready():
                    break
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                if reader is not None and reader.bursting:
                    # Nobody can be told of what is read in the middle of a burst.
                    self.invite(call)
                    left = _READER_SECONDS if left is None else min(_READER_SECONDS, left)
                changed.wait(left)
        return True

    def wait_for_result(self, result: ApplyResult, timeout: float | None) -> None:
        """The same for a call whose result somebody holds."""
        self.wait(result._call, timeout)  # noqa: SLF001  # the engine's own object

    def known_calls(self) -> dict[int, Call]:
        """Return all calls whose outcome is not yet known."""
        return self.calls

    def catch_up(self) -> None:
        """Nothing: results are where they belong when they are there."""

    def stats(self) -> PoolStats:
        """Return what the threads have done so far."""
        with self.lock:
            return read_stats(self.crew.posts, self.calls.values(), self.dispatch.hands)

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

    def settle(self, call: Call, index: int, error: BaseException) -> Any:
        """Take in that a task ended with an exception; returns what stands for its result."""
        with self.lock:
            return None if call.ended else call.settle(index, error)

    def wake(self, call: Call) -> None:
        """Wake who waits for results of a call."""
        with self.lock:
            self._wake(call)

    def leave(self, call: SharedCall, slot: int) -> None:
        """A thread has run what it had drawn from a call."""
        with self.lock:
            self.dispatch.leave(call, slot)

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
            self._end(call)

    def _end(self, call: Call) -> None:
        call.end()
        if not call.is_single_task:
            self.dispatch.forget(call)
        if call.has_callback:
            # The outcome shows when the callback has run, as in the standard library.
            self._callbacks.put(call)
        else:
            self._show(call)

    def _show(self, call: Call) -> None:
        call.finished = True
        self.calls.pop(call.number, None)
        self._wake(call)
        if not self.calls:
            self._idle.notify_all()
            if self.state == CLOSE:
                self._stop()

    @staticmethod
    def _wake(call: Call) -> None:
        if call.waiting and call.changed is not None:
            call.waiting = False
            call.changed.notify_all()

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
                self.dispatch.end_abandoned()
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
        if self.generation is not generation.current:
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
        with suppress(Empty):
            while True:
                self._callbacks.get_nowait()
        for call in list(self.calls.values()):
            if not call.ended:
                call.fail(error)
                call.end()
                self.dispatch.forget(call)
            self._show(call)
        self.dispatch.clear()
        self._stopping = False
        self._stop()

    def _stop(self) -> None:
        """Let the threads end when they have nothing to do.  Lock held."""
        if not self._stopping:
            self._stopping = True
            self.dispatch.stop()
            self._callbacks.put(None)
