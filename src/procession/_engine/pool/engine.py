"""The heart of a pool: what calls it has, from beginning to end, and the parts that do the rest.

No thread belongs to it.  Whoever waits for a result does the work of all (collector.py); the
supervisor (supervisor.py) is one more who waits, started only when something must happen
while nobody else does.  One lock guards all state; the user's code (iterators, callbacks,
the pickling of arguments) does not run under it.
"""

from __future__ import annotations

import os
import threading
from collections import deque

from procession._engine.errors import ProcessError
from procession._engine.ipc import transport
from procession._engine.pool import generation
from procession._engine.pool.calls import Call
from procession._engine.pool.cancelling import Canceller
from procession._engine.pool.collector import Collector
from procession._engine.pool.crew import Crew, Plan
from procession._engine.pool.deadlines import Deadlines
from procession._engine.pool.feeding import Feeder
from procession._engine.pool.healing import Healer
from procession._engine.pool.intake import Intake
from procession._engine.pool.ledger import Ledger
from procession._engine.pool.states import CLOSE, RUN, TERMINATE
from procession._engine.pool.stats import Tally
from procession._engine.pool.steps import Chunk
from procession._engine.pool.stream_call import StreamCall
from procession._engine.pool.supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from procession._engine.pool.results import ApplyResult
    from procession._engine.pool.stats import PoolStats

__all__ = ["Engine"]


class Engine:
    """State and work of one pool.  Knows nothing of the object that users hold.

    ``calls`` are those whose outcome is not yet known, but for calls of the short way that nobody
    has looked at (ledger.py); ``feeding`` those with something still to send (feeding.py).
    ``stopping``: the workers were told to end; ``closed``: queues and memory were given back.
    """

    def __init__(self, plan: Plan, size: int) -> None:
        self.pid = os.getpid()
        self.generation = generation.current
        self.state = RUN
        self.stopping = False
        self.closed = False
        self.broken: BaseException | None = None
        self.lock = threading.RLock()
        self.collector = Collector(self, self.lock)
        self.supervisor: Supervisor | None = None
        self.calls: dict[int, Call] = {}
        self.callbacks: deque[Call] = deque()
        self.tasks: Any = transport.MessageQueue(ctx=plan.context)
        self.results: Any = transport.MessageQueue(ctx=plan.context)
        if transport.OUT_OF_BAND_BUFFERS:  # its memory is worth keeping; workers wait when idle
            self.tasks.pair(self.results)
        self.crew = Crew(plan, size, self.tasks, self.results)
        self._ledger = Ledger(self.tasks)
        self.deadlines = Deadlines(self.crew, self._ledger)
        self.canceller = Canceller(self, self._ledger)
        self.tally = Tally(self, self._ledger)
        self.healer = Healer(self, self._ledger)
        self.feeder = Feeder(self, self._ledger)
        self.feeding = self.feeder.feeding
        self.submit, self.refill = self.feeder.submit, self.feeder.refill
        self.feed_from_reader, self.feed_all = self.feeder.feed_from_reader, self.feeder.feed_all
        self.keep = self.feeder.keep
        self._intake = Intake(self, self._ledger)
        self.collect = self._intake.collect
        self.expect, self.apply_async = self._ledger.expect, self._ledger.apply_async
        self._with_callbacks = 0

    def check_process(self) -> None:
        """Raise RuntimeError in a forked child: workers and queues are its parent's."""
        if self.generation is not generation.current:
            raise RuntimeError(
                f"this pool belongs to process {self.pid} and cannot be used in its forked child"
                f" {os.getpid()}: make a Pool in the process that uses it"
            )

    # ---- calls come in

    def enter(self, call: Call) -> None:
        """Make a call known.  Lock held."""
        if self.broken is not None:
            raise self.broken
        if self.state is TERMINATE:  # by another thread, at this moment
            raise ValueError("Pool not running")
        self.calls[call.number] = call
        if call.has_callback:
            self._with_callbacks += 1
        if call.failed is not None:
            self._end(call)
        elif call.timeout is not None:
            self.deadlines.enter(call)
            self.collector.wake()

    def look_after(self, call: Call) -> None:
        """Have a call that nobody waits for go on."""
        if self.supervisor is None or call.has_callback or not call.is_single_task:
            self.supervise()

    def cancel(self, call: Call, *, running: bool, grace: float) -> bool:
        """Cancel a call, see ``Canceller.cancel``; returns whether it is cancelled."""
        return self.canceller.cancel(call, running=running, grace=grace)

    def abandon(self, call: Call) -> None:
        """An exception left the caller of a call: nobody can ever have its results."""
        call.abandon()
        call.returned = ()
        self._intake.interrupted = True

    def note_interrupted(self) -> None:
        """Something may not have been done to its end: have it made up for."""
        self._intake.interrupted = True

    def make_up_for(self, call: Call) -> None:
        """Do what an interruption may have kept from being done for a call.  Lock held."""
        if not call.ended:
            self.note_returned(call)
        elif call.finished:
            self.show(call)
        else:
            self._end(call)

    def settle(
        self, call: Call, index: int, error: BaseException, alone: Chunk | None = None
    ) -> None:
        """Take in that a task that is in no message ended with an exception.  Lock held.

        With the same chunk ``alone`` a second time changes nothing.
        """
        alone = alone or Chunk(call, index, (None,), call.sink)
        self._ledger.ended += not alone.delivered
        alone.deliver(0, (call.settle(index, error),), 0.0)

    # ---- waiting, and asking

    def known_calls(self) -> dict[int, Call]:
        """Return all calls whose outcome is not yet known, those of the short way as well."""
        self._ledger.show_calls()
        return self.calls

    def has_unseen_calls(self) -> bool:
        """Whether calls of the short way are under way that are not in ``calls``."""
        return self._ledger.unseen > 0

    def wait(self, call: Call, timeout: float | None = None) -> bool:
        """Work for all until the call is ready, at most ``timeout`` seconds; returns whether."""
        return self.collector.wait_until(call.is_ready, timeout)

    def wait_for_result(self, result: ApplyResult, timeout: float | None) -> None:
        """The same for a call whose result somebody holds; the call itself is not asked for."""
        self.collector.wait_until(result._has_ended, timeout)  # noqa: SLF001  # the base's, in C

    def catch_up(self) -> None:
        """Take in what is there, unless somebody is at it."""
        self.collector.try_as_collector(self.collect)

    def stats(self) -> PoolStats:
        """Return what the pool has done so far, with what came and was not yet looked at."""
        if not self.closed:
            self.catch_up()
        with self.lock:
            return self.tally.stats()

    def replace_dead(self) -> None:
        """Replace workers that have ended, unless somebody is at it."""
        self.collector.try_as_collector(self.healer.bury)

    # ---- calls end

    def note_returned(self, call: Call) -> None:
        """Tasks of a call have ended, or came back to be sent again.  Lock held."""
        if call.returned:
            self.feeding[call.number] = call
        else:
            self.end_if_done(call)

    def end_if_done(self, call: Call) -> None:
        """End a call when all its tasks have ended.  Lock held."""
        if not call.ended and call.is_done():
            call.complete()
            self._end(call)

    def end_with(self, call: Call, error: BaseException) -> None:
        """End a call as a whole with an exception.  Lock held."""
        if not call.ended:
            call.fail(error)
            self._end(call)

    def _end(self, call: Call) -> None:
        call.end()
        if not call.has_callback:
            self.show(call)
        elif call not in self.callbacks:
            # The outcome shows when the callback has run, as in the standard library.
            self.callbacks.append(call)
            self.wake_supervisor()

    def show(self, call: Call) -> None:
        """Make the outcome of a call known."""
        with self.lock:
            call.finished = True
            if self.calls.pop(call.number, None) is not None:
                self._with_callbacks -= call.has_callback
                if call.timeout is not None:
                    self.deadlines.leave(call)
            self.feeding.pop(call.number, None)
            self.collector.notify()
            if self.state == CLOSE and not self.calls:
                self.stop_workers()

    def break_down(self, error: BaseException) -> None:
        """The pool cannot work: every call ends with the error, now and later.  Lock held."""
        self.broken = error
        self._ledger.is_open = False
        for call in list(self.known_calls().values()):
            self.end_with(call, error)
        self._ledger.clear()
        for process in self.crew.living():
            process.terminate()
        self.collector.notify()

    # ---- the end

    def wants_workers(self) -> bool:
        """Whether a worker that ended is to be replaced."""
        return self.state == RUN or (self.state == CLOSE and bool(self.calls))

    def close(self) -> None:
        """Take no more calls; workers end when those that came have ended."""
        with self.lock:
            if self.state == RUN:
                self.state = CLOSE
                self._ledger.is_open = False
                if not self.known_calls():
                    self.stop_workers()
        if self.calls:
            self.supervise()

    def stop_workers(self) -> None:
        """Let the workers end.  Lock held; nothing is in the queue."""
        if not self.stopping and not self.closed:
            self.stopping = True
            self.tasks.put_many([None] * self.crew.size)

    def join(self) -> None:
        """Wait until everything is done and every worker has ended."""
        if threading.current_thread() is self.supervisor:
            raise RuntimeError("a callback of a pool cannot join it: join() waits for callbacks")
        for call in list(self.calls.values()):
            if isinstance(call, StreamCall):
                call.read_without_bound()
        with self.lock:
            self.collector.notify()
        self.collector.wait_until(lambda: not self.calls or self.closed)
        if self.broken is not None:
            self.crew.end()
        self.crew.join()
        self._release()

    def terminate(self) -> None:
        """End the workers now; calls that are under way end with ProcessError."""
        if self.closed or self.generation is not generation.current:
            return
        with self.lock:
            self.state = TERMINATE
            self._ledger.is_open = False
            self.callbacks.clear()
            error = ProcessError("the pool was terminated before this call had ended")
            for call in list(self.known_calls().values()):
                if not call.ended:
                    call.fail(error)
                    call.end()
                call.finished = True
            self.calls.clear()
            self.feeding.clear()
            self.collector.notify()
        self.crew.end()
        self._release()

    def _release(self) -> None:
        """Give queues and memory back; all workers have ended."""
        if self.supervisor is not None:
            self.supervisor.dismiss()
        with self.collector.role, self.lock:
            if not self.closed:
                self.tally.close()
                self.closed = True
                self.state = TERMINATE
                self.tasks.close()
                self.results.close()
                self.crew.close()
        with self.lock:  # who looked for the role meanwhile may have gone to sleep
            self.collector.notify_followers()

    def be_forgotten(self) -> None:
        """Nobody holds the pool: hold no descriptors until the collector finds what is left."""
        if self.closed:
            self.crew.processes = []

    # ---- the supervisor

    def needs_collector(self) -> bool:
        """Whether results must be taken in even if nobody waits for them."""
        if self.state == CLOSE and self.calls:
            return True
        return bool(self.feeding or self.deadlines or self.canceller) or self._with_callbacks > 0

    def supervise(self) -> None:
        """Have a supervisor from now on, and let it see a call that needs it."""
        with self.lock:
            if self.supervisor is None and self.state != TERMINATE:
                self.supervisor = Supervisor(self)
                self.supervisor.start()
                self._ledger.is_open = self.state is RUN and self.broken is None
                return
        if self.needs_collector():
            self.wake_supervisor()

    def wake_supervisor(self) -> None:
        """Have the supervisor, if there is one, look around."""
        if self.supervisor is not None:
            self.supervisor.wake()
