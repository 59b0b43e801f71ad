"""The heart of a pool: feeds the task queue, takes results in, and recovers from deaths.

No thread belongs to it.  Whoever waits for a result does the work of all: one of the waiting
threads is the collector, takes results from the queue for every call, and feeds; the others
sleep until something changed.  The supervisor (supervisor.py) is one more such thread, started
only when something must happen while nobody waits.

Two locks.  ``role`` is held by the collector, and may be held for long; ``lock`` guards all
state and is held briefly.  ``lock`` may be taken under ``role``, never the other way round.
The user's code (iterators, callbacks, pickling of arguments) runs under neither.

A KeyboardInterrupt may strike between any two bytecodes.  So results go from the queue into
``_inbox`` within one call of C, stay there until they are taken in completely, and taking
them in again changes nothing.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from procession._engine.errors import Attempt, Empty, ProcessError
from procession._engine.ipc import transport
from procession._engine.pool import mail
from procession._engine.pool.calls import Call, Chunk, StreamCall
from procession._engine.pool.crew import Crew, Plan
from procession._engine.pool.ledger import Ledger, split_after_death
from procession._engine.pool.recipe import RecipeShelf
from procession._engine.pool.starts import Starts
from procession._engine.pool.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CLOSE", "RUN", "TERMINATE", "Engine"]

RUN: Final = "RUN"
CLOSE: Final = "CLOSE"
TERMINATE: Final = "TERMINATE"

_BATCH = 64
"""Messages put at once."""

_MOST_TAKEN = 1024
"""Messages taken at once."""

_DEATH_CHECK_SECONDS: Final = 0.1
"""While results flow without a pause, look for deaths so often."""

_BRIEF_SECONDS: Final = 0.002
"""Wait so long at the queue alone, which is the quickest, before waiting for deaths as well."""

_LONGEST_NAP_SECONDS: Final = 0.02
_SHORTEST_NAP_SECONDS: Final = 0.0003


class Engine:
    """State and work of one pool.  Knows nothing of the object that users hold."""

    def __init__(self, plan: Plan, size: int) -> None:
        self.pid = os.getpid()
        self.state = RUN
        self.lock = threading.RLock()
        self.role = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.calls: dict[int, Call] = {}
        self.callbacks: deque[Call] = deque()
        self.broken: BaseException | None = None
        self.supervisor: Supervisor | None = None
        self.tasks: Any = transport.Queue(0, ctx=plan.context)
        self.results: Any = transport.Queue(0, ctx=plan.context)
        self.crew = Crew(plan, size, self.tasks, self.results)
        self._ledger = Ledger(self.tasks)
        self._starts = Starts()
        self._recipes = RecipeShelf()
        self._inbox: deque[list[Any]] = deque()
        self._feeding: dict[int, Call] = {}
        self._with_callbacks = 0
        self._collector: threading.Thread | None = None
        self._followers = 0
        self._interrupted = False
        self._stopping = False
        self._closed = False
        self._last_check = 0.0

    def check_process(self) -> None:
        """Raise RuntimeError in a forked child: workers and queues are its parent's."""
        if self.pid != os.getpid():
            raise RuntimeError(
                f"this pool belongs to process {self.pid} and cannot be used in its forked child"
                f" {os.getpid()}: make a Pool in the process that uses it"
            )

    # ---- calls come in

    def prepare(self, call: Call, function: Any, kind: int, *, eager: bool) -> None:
        """Pack a call's function; a call whose function cannot be packed has failed."""
        try:
            call.recipe = self._recipes.recipe(function, kind, eager=eager, call=call.number)
        except Exception as error:  # whatever a user's __reduce__ raises
            call.fail(error)

    def submit(self, call: Call) -> None:
        """Begin a call.  Raises what broke the pool, if it is broken."""
        with self.lock:
            if self.broken is not None:
                raise self.broken
            if call.failed is not None:
                self._finish_failed(call)
                return
            self.calls[call.number] = call
            if has_callback(call):
                self._with_callbacks += 1
            if not call.exhausted:
                self._feeding[call.number] = call
        if isinstance(call, StreamCall) and call.reader is not None:
            call.reader.start()
        else:
            self.feed(call)

    def take_next(self, call: StreamCall) -> tuple[bool, Any] | None:
        """The next result of an iterator, and room for more of its input."""
        outcome = call.take_next()
        if call.reader is not None:
            call.reader.resume()
        if not call.exhausted and call.wants_input():
            self.feed(call)
        return outcome

    def feed(self, call: Call) -> None:
        """Send as much of a call's input as should be on its way.

        Does nothing when another thread is at it, or this one, in the call's own input.
        """
        if not call.feeding.acquire(blocking=False):
            return
        try:
            while chunks := self._next_chunks(call):
                self._issue(chunks)
        finally:
            call.feeding.release()
        if call.exhausted:
            with self.lock:
                self._feeding.pop(call.number, None)
                self._finish_if_done(call)

    def feed_from_source(self, call: Call) -> None:
        """Send on what was read from an input, in the thread that reads it."""
        if self._collector is None:
            self.feed(call)
        else:
            self.wake_collector()

    def _next_chunks(self, call: Call) -> list[Chunk]:
        chunks: list[Chunk] = []
        while len(chunks) < _BATCH and self.state != TERMINATE:
            chunk = call.next_chunk(len(chunks))
            if chunk is None:
                break
            chunks.append(chunk)
        return chunks

    def _issue(self, chunks: Sequence[Chunk]) -> None:
        """Pack chunks into messages and put them; what cannot be packed ends here."""
        bodies = []
        for chunk in chunks:
            bodies.extend(mail.bodies(chunk, self._deliver_refused))
        if not bodies:
            return
        with self.lock:
            if self.state == TERMINATE or self.broken is not None:
                return
            tickets = self._ledger.enter([chunk for chunk, _ in bodies])
            try:
                self.tasks.put_many(
                    [(ticket, *body) for ticket, (_, body) in zip(tickets, bodies, strict=True)]
                )
            except Exception as error:  # no memory, no descriptors: these calls cannot go on
                for chunk in self._ledger.retract_unput():
                    self._end_call(chunk.call, error)
            except BaseException:
                for chunk in self._ledger.retract_unput():
                    chunk.call.returned.append(chunk)
                raise

    def _deliver_refused(self, chunk: Chunk, error: Exception) -> None:
        """Take in that a task's argument cannot be pickled."""
        with self.lock:
            chunk.call.deliver_failure(chunk.first, error)

    # ---- results come back

    def poll(self) -> None:
        """Take in what is there, without waiting; nothing when another thread collects."""
        if self.role.acquire(blocking=False):
            try:
                self._collect_now()
            finally:
                self._leave()

    def wait_until(self, ready: Callable[[], bool], timeout: float | None = None) -> bool:
        """Work for all until ``ready()``, at most ``timeout`` seconds; returns whether it is."""
        deadline = None if timeout is None else time.monotonic() + timeout
        nap = 0.0
        while not ready():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                self.poll()
                return ready()
            if not self.role.acquire(blocking=False):
                self._follow(ready, left)
                continue
            try:
                self._collector = threading.current_thread()
                nap = self._serve(ready, left, may_nap=not nap)
            finally:
                self._collector = None
                self._leave()
            if nap:
                self._nap(nap if left is None else min(nap, left))
        return True

    def _follow(self, ready: Callable[[], bool], left: float | None) -> None:
        """Sleep until something changed, or the role of the collector is free."""
        with self.changed:
            self._followers += 1
            try:
                if self.role.locked() and not ready():
                    self.changed.wait(left)
            finally:
                self._followers -= 1

    def _leave(self) -> None:
        """Give the role of the collector back, and tell who may want it."""
        self.role.release()
        if self._followers:
            with self.changed:
                self.changed.notify_all()

    def _serve(self, ready: Callable[[], bool], left: float | None, *, may_nap: bool) -> float:
        """Be the collector until ``ready()`` or for ``left`` seconds at most.

        Returns a time to sleep without the role, when nothing needs to be taken in sooner;
        not before something was taken in unless ``may_nap``.
        """
        deadline = None if left is None else time.monotonic() + left
        while True:
            moved = self._collect_now()
            if ready() or self._closed:
                return 0.0
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return 0.0
            if moved:
                may_nap = True
                self._check_deaths_now_and_then()
                continue
            self._feed_all()
            if ready():
                return 0.0
            nap = self._nap_seconds() if may_nap else 0.0
            if nap:
                return nap
            self._await_news(left)
            may_nap = True

    def _collect_now(self) -> bool:
        """Take in what is there and feed; returns whether there was anything.  Role held."""
        try:
            # One call of C from the queue into the inbox: no signal can come between.
            self._inbox.extend(map(self.results.get_many, (_MOST_TAKEN,), (False,)))
        except Empty:
            if not self._inbox:
                return False
        except (OSError, ValueError):
            if self._closed:
                return False
            raise
        self._settle()
        self._feed_all()
        return True

    def _await_news(self, left: float | None) -> None:
        """Wait for results, or the death of a worker.  Role held."""
        brief = _BRIEF_SECONDS if left is None else min(_BRIEF_SECONDS, left)
        try:
            self._inbox.extend(map(self.results.get_many, (_MOST_TAKEN,), (True,), (brief,)))
        except Empty:
            self._await_news_or_death(left)
            return
        self._settle()
        self._feed_all()

    def _await_news_or_death(self, left: float | None) -> None:
        sentinels = self.crew.sentinels()
        if len(sentinels) < self.crew.size and not self._stopping:
            if self._bury():
                return
            # A worker could not be replaced for now: try again soon.
            left = _DEATH_CHECK_SECONDS if left is None else min(left, _DEATH_CHECK_SECONDS)
        ready = transport.wait([self.results, *sentinels], left)
        if any(entry is not self.results for entry in ready):
            self._bury()

    def _nap_seconds(self) -> float:
        """How long nobody needs a result, as far as the pace of the calls tells; 0 to wait."""
        if self._followers or not self.calls:
            return 0.0
        nap = _LONGEST_NAP_SECONDS
        for call in self.calls.values():
            if call.single:
                return 0.0
            nap = min(nap, call.seconds_to_sleep())
        return nap if nap >= _SHORTEST_NAP_SECONDS else 0.0

    def _nap(self, seconds: float) -> None:
        """Sleep, but for deaths.  Without the role: who comes meanwhile is served."""
        sentinels = self.crew.sentinels()
        died = transport.wait(sentinels, seconds) or len(sentinels) < self.crew.size
        if died and self.role.acquire(blocking=False):
            try:
                self._bury()
            finally:
                self._leave()

    def _settle(self) -> None:
        """Take in the messages of the inbox."""
        with self.lock:
            try:
                while self._inbox:
                    for message in self._inbox[0]:
                        self._take_in(message)
                    self._inbox.popleft()
                if self._interrupted:
                    self._interrupted = False
                    for call in list(self.calls.values()):
                        self._finish_if_done(call)
            except BaseException:
                self._interrupted = True
                raise

    def _take_in(self, message: tuple[Any, ...] | None) -> None:
        if message is None:  # somebody wakes the collector
            return
        if self._starts.is_report(message):
            self._starts.take_in(message)
            return
        chunk = self._ledger.chunk(message[0])
        if chunk is None:
            return
        mail.take_in(message, chunk)
        call = chunk.call
        if chunk.delivered >= len(chunk.items):
            self._ledger.leave(message[0])
            self._finish_if_done(call)
        if call.returned:
            self._feeding[call.number] = call

    def _feed_all(self) -> None:
        """Send on: what came back first, then what the inputs have."""
        if not self._feeding:
            return
        for call in list(self._feeding.values()):
            if call.returned:
                with self.lock:
                    returned, call.returned = call.returned, []
                self._issue(returned)
                with self.lock:
                    self._finish_if_done(call)
            self.feed(call)

    def _finish_if_done(self, call: Call) -> None:
        """Make a call's outcome known when all its tasks have ended.  Lock held."""
        if call.ended or not call.is_done():
            return
        call.complete()
        self._finish(call)

    def _finish_failed(self, call: Call) -> None:
        """End a call that could not begin.  Lock held."""
        self.calls[call.number] = call
        self._with_callbacks += has_callback(call)
        self._finish(call)

    def _finish(self, call: Call) -> None:
        call.ended = True
        if call.recipe is not None:
            call.recipe.close()
        if not has_callback(call):
            self.finish_quietly(call)
        else:
            # The outcome shows when the callback has run, as in the standard library.
            self.callbacks.append(call)
            self.wake_supervisor()

    def finish_quietly(self, call: Call) -> None:
        """Make the outcome of a call known."""
        with self.lock:
            call.finished = True
            if self.calls.pop(call.number, None) is not None and has_callback(call):
                self._with_callbacks -= 1
            self._feeding.pop(call.number, None)
            if self._followers:
                self.changed.notify_all()
            self.wake_collector()
            if self.state == CLOSE and not self.calls:
                self._stop_workers()

    def _end_call(self, call: Call, error: BaseException) -> None:
        """End a call as a whole with an exception.  Lock held."""
        if not call.ended:
            call.fail(error)
            self._finish(call)

    # ---- deaths

    def _check_deaths_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._last_check > _DEATH_CHECK_SECONDS:
            self._last_check = now
            self._bury()

    def bury_the_dead(self) -> bool:
        """Replace dead workers; returns False when the collector, another thread, will do it."""
        if not self.role.acquire(blocking=False):
            return False
        try:
            self._bury()
        finally:
            self._leave()
        return True

    def _bury(self) -> bool:
        """Replace dead workers and send their tasks again; returns whether any was replaced.

        Role held.
        """
        with self.lock:
            dead = [] if self.state == TERMINATE else self.crew.dead_slots()
            if not dead or self._stopping or self.broken is not None:
                return False
            living = [slot for slot in range(self.crew.size) if slot not in dead]
            lost = [(slot, self._ledger.held_by_dead(slot, living)) for slot in dead]
        self._collect_now()
        with self.lock:
            for slot, ticket in lost:
                if self.state != TERMINATE:
                    self._replace(slot, ticket)
        self._feed_all()
        return any(self.crew.processes[slot].exitcode is None for slot in dead)

    def _replace(self, slot: int, ticket: int | None) -> None:
        """Replace a dead worker, first; send what it held again, second.  Lock held."""
        process, place = self.crew.processes[slot], self.crew.board.words[slot]
        error = None
        if slot not in self.crew.vacant:
            error = self._starts.verdict(process, place, slot, self.crew)
        if error is None:
            error = self._start_worker(slot)
        chunk = None if ticket is None else self._ledger.chunk(ticket)
        if chunk is not None and ticket is not None:
            self._ledger.leave(ticket)
            again, ended = split_after_death(chunk, place, Attempt(process.pid, process.exitcode))
            chunk.call.returned.extend(again)
            self._feeding[chunk.call.number] = chunk.call
            if ended is not None:
                chunk.call.deliver_failure(*ended)
            self._finish_if_done(chunk.call)
        if error is not None:
            self._break(error)

    def _start_worker(self, slot: int) -> BaseException | None:
        """Start a replacement; returns the error when there is no worker left without it."""
        if self.state == CLOSE and not self.calls:
            return None
        try:
            self.crew.replace(slot)
        except OSError as error:
            return None if self.crew.living() else error
        return None

    def _break(self, error: BaseException) -> None:
        """The pool cannot work: every call ends with the error, now and later.  Lock held."""
        self.broken = error
        for call in list(self.calls.values()):
            self._end_call(call, error)
        self._ledger.clear()
        for process in self.crew.living():
            process.terminate()
        self.changed.notify_all()

    # ---- the end

    def close(self) -> None:
        """Take no more calls; workers end when those that came have ended."""
        with self.lock:
            if self.state == RUN:
                self.state = CLOSE
                if not self.calls:
                    self._stop_workers()
        if self.calls:
            self.supervise()

    def _stop_workers(self) -> None:
        """Let the workers end.  Lock held; nothing is in the queue."""
        if not self._stopping and not self._closed:
            self._stopping = True
            self.tasks.put_many([None] * max(1, self.crew.size))

    def join(self) -> None:
        """Wait until everything is done and every worker has ended."""
        for call in list(self.calls.values()):
            if isinstance(call, StreamCall):
                call.unbounded = True
                if call.reader is not None:
                    call.reader.resume()
        with self.changed:
            self.changed.notify_all()
            self.wake_collector()
        self.wait_until(self._has_no_calls)
        if self.broken is not None:
            self.crew.end()
        self.crew.join()
        self.release()

    def _has_no_calls(self) -> bool:
        return not self.calls or self._closed

    def terminate(self) -> None:
        """End the workers now; calls that are under way end with ProcessError."""
        if self.pid != os.getpid():
            return
        with self.lock:
            self.state = TERMINATE
            self.callbacks.clear()
            error = ProcessError("the pool was terminated before this call had ended")
            for call in list(self.calls.values()):
                if not call.ended:
                    call.fail(error)
                    call.ended = True
                    if call.recipe is not None:
                        call.recipe.close()
                call.finished = True
            self.calls.clear()
            self._feeding.clear()
            self.changed.notify_all()
        if not self._closed:
            self.results.put(None)
        self.wake_supervisor()
        self.crew.end()
        self.release()

    def release(self) -> None:
        """Give queues and memory back; all workers have ended."""
        if self.supervisor is not None:
            self.supervisor.dismiss()
        with self.role, self.lock:
            if not self._closed:
                self._closed = True
                self.state = TERMINATE
                self.tasks.close()
                self.results.close()
                self.crew.close()

    # ---- for the supervisor

    def needs_collector(self) -> bool:
        """Whether results must be taken in even if nobody waits for them."""
        if self.state == CLOSE and self.calls:
            return True
        return bool(self._feeding) or self._with_callbacks > 0

    def wake_collector(self, thread: threading.Thread | None = None) -> None:
        """Interrupt the wait for results of another thread; of ``thread`` only, if given."""
        waiting = self._collector
        if waiting in (None, threading.current_thread()) or thread not in (None, waiting):
            return
        if not self._closed:
            with suppress(OSError, ValueError):
                self.results.put(None)

    def wait_for_change(self, seconds: float) -> None:
        """Sleep until something changed, or so long."""
        with self.changed:
            self._followers += 1
            try:
                self.changed.wait(seconds)
            finally:
                self._followers -= 1

    def supervise(self) -> None:
        """Have a supervisor from now on, and let it see a call that needs it."""
        with self.lock:
            if self.supervisor is None and self.state != TERMINATE:
                self.supervisor = Supervisor(self)
                self.supervisor.start()
                return
        if self.needs_collector():
            self.wake_supervisor()

    def wake_supervisor(self) -> None:
        """Have the supervisor, if there is one, look around."""
        if self.supervisor is not None:
            self.supervisor.wake()


def has_callback(call: Call) -> bool:
    """Whether somebody is to be called when the call has ended."""
    return call.callback is not None or call.error_callback is not None
