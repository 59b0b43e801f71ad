"""Waiting: one thread at a time takes results in for all, the others sleep.

Whoever waits for something becomes the collector if nobody is: it takes results from the queue
for every call, and feeds.  The others sleep until something changed or the role is free.  The
role is held for long; the engine's lock, which guards all state, briefly, and may be taken
under the role, never the other way round.

How the collector sleeps depends on what is wanted.  For a single result it waits at the queue
itself, which is quickest; after a while it waits for deaths of workers as well.  For a map,
of which nobody sees anything before the end, it naps as long as the measured pace allows:
then no worker has to wake it, and the CPU is theirs.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from procession._engine.ipc import transport
from procession._engine.pool.stream_call import StreamCall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from procession._engine.pool.engine import Engine

__all__ = ["Collector"]

_DEATH_CHECK_SECONDS: Final = 0.1
"""While results flow without a pause, or a worker cannot be replaced, look so often."""

_BRIEF_SECONDS: Final = 0.002
"""Wait so long at the queue alone before waiting for deaths as well."""

_READER_SECONDS: Final = 0.01
"""While an input is read in bursts, look so often at what was read."""

_LONGEST_NAP_SECONDS: Final = 0.02
_SHORTEST_NAP_SECONDS: Final = 0.0003


class Collector:
    """The role, and who waits for it.

    ``_followers``: threads asleep or about to sleep in ``changed``.  May be too high for a
    moment, which costs a notification; never too low when it is read under the lock.

    A KeyboardInterrupt may strike between the taking of the role and what is to give it back.
    So ``role`` is a lock that knows who has it: whoever leaves gives back what it has more
    than it came with.  Who has it already, and waits in the middle of an input, goes on with it.
    """

    def __init__(self, engine: Engine, lock: Any) -> None:
        self._engine = engine
        self.role: Any = threading.RLock()
        self._lock = lock
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition(lock)
        self._followers = 0
        self._last_check = 0.0

    @property
    def is_at_work(self) -> bool:
        """Whether some thread waits for results now, and so feeds as well."""
        return self._thread is not None

    def try_as_collector(self, action: Callable[[], object]) -> bool:
        """Do something as the collector; False when another thread has the role."""
        had_role = self.role._is_owned()  # noqa: SLF001  # as threading.Condition does
        try:
            if not self.role.acquire(blocking=False):
                return False
            action()
        except BaseException:
            self._leave(had_role)
            raise
        self._leave(had_role)
        return True

    def notify(self) -> None:
        """Tell all who sleep that something changed.  The engine's lock is held."""
        self.notify_followers()
        self.wake()

    def notify_followers(self) -> None:
        """Tell those who sleep while another thread collects.  The engine's lock is held."""
        if self._followers:
            self._changed.notify_all()

    def wake(self, thread: threading.Thread | None = None) -> None:
        """Interrupt the wait for results of another thread; of ``thread`` only, if given."""
        waiting = self._thread
        if waiting in (None, threading.current_thread()) or thread not in (None, waiting):
            return
        with suppress(OSError, ValueError):  # it was closed meanwhile: nobody waits there
            self._engine.results.put(None)

    def rouse(self, thread: threading.Thread) -> None:
        """Have a thread look again whether it is ready, as collector or follower."""
        with self._lock:
            self._changed.notify_all()
        self.wake(thread)

    def wait_for_change(self, seconds: float) -> None:
        """Sleep until something changed, or so long."""
        with self._lock:
            self._sleep(seconds)

    def wait_until(self, ready: Callable[[], bool], timeout: float | None = None) -> bool:
        """Work for all until ``ready()``, at most ``timeout`` seconds; returns whether it is."""
        deadline = None if timeout is None else time.monotonic() + timeout
        had_role = self.role._is_owned()  # noqa: SLF001  # as threading.Condition does
        try:
            return self._work_until(ready, deadline, had_role)
        except BaseException:
            self._leave(had_role)
            raise

    def _work_until(
        self, ready: Callable[[], bool], deadline: float | None, had_role: bool
    ) -> bool:
        nap = 0.0
        while not ready():
            left = _left(deadline)
            if left is not None and left <= 0:
                self.try_as_collector(self._engine.collect)
                return ready()
            if not self.role.acquire(blocking=False):
                self._follow(ready, left)
                continue
            self._thread = threading.current_thread()
            nap = self._serve(ready, deadline, may_nap=not nap)
            self._leave(had_role)
            if nap:
                self._nap(nap if left is None else min(nap, left))
        return True

    def _follow(self, ready: Callable[[], bool], left: float | None) -> None:
        """Sleep until something changed, or the role is free."""
        with self._lock:
            self._followers += 1
            try:
                if not self.role.acquire(blocking=False):
                    if not ready():
                        self._changed.wait(left)
                else:
                    self.role.release()
            finally:
                self._followers -= 1

    def _sleep(self, seconds: float) -> None:
        self._followers += 1
        try:
            self._changed.wait(seconds)
        finally:
            self._followers -= 1

    def _leave(self, had_role: bool) -> None:
        """Give the role back, and tell who may want it; unless this thread had it before.

        A follower counts itself before it looks at the role, so either it finds the role
        free, or it is counted here.  Doing it twice changes nothing.
        """
        if had_role:
            return
        if self._thread is threading.current_thread():
            self._thread = None
        while self.role._is_owned():  # noqa: SLF001  # as above
            self.role.release()
        if self._followers:
            with self._lock:
                self._changed.notify_all()

    def _serve(self, ready: Callable[[], bool], deadline: float | None, *, may_nap: bool) -> float:
        """Be the collector until ``ready()`` or the deadline.

        Returns a time to sleep without the role, when nothing needs to be taken in sooner;
        not before something was taken in unless ``may_nap``.
        """
        engine = self._engine
        while True:
            # Where single results are waited for, an answer is likely to come soon.
            if engine.collect(0.0 if self._nap_seconds() else _brief(_left(deadline))):
                may_nap = True
                self._look_for_deaths_now_and_then()
            else:
                engine.feed_all()
                nap = self._nap_seconds() if may_nap and not ready() else 0.0
                if nap:
                    return nap
                if not ready():
                    self._await_news(_left(deadline))
                may_nap = True
            left = _left(deadline)
            if ready() or engine.closed or (left is not None and left <= 0):
                return 0.0

    def _await_news(self, left: float | None) -> None:
        """Wait for results, or the death of a worker."""
        engine = self._engine
        if engine.collect(_brief(left)):
            return
        sentinels = engine.crew.sentinels()
        if len(sentinels) < engine.crew.size and not engine.stopping:
            if engine.healer.bury():
                return
            left = _at_most(_DEATH_CHECK_SECONDS, left)
        if self._reads_in_bursts():
            left = _at_most(_READER_SECONDS, left)
        late = self._look_for_overruns()
        if late is not None:
            left = _at_most(late, left)
        ready = transport.wait([engine.results, *sentinels], left)
        if any(entry is not engine.results for entry in ready):
            engine.healer.bury()

    def _look_for_deaths_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self._last_check > _DEATH_CHECK_SECONDS:
            self._last_check = now
            self._look_for_overruns()
            self._engine.healer.bury()

    def _look_for_overruns(self) -> float | None:
        """Kill and interrupt who is to be; returns in how many seconds to look again."""
        engine = self._engine
        if not engine.deadlines and not engine.canceller:
            return None
        with engine.lock:
            waits = engine.deadlines.sweep(), engine.canceller.sweep()
        return min((wait for wait in waits if wait is not None), default=None)

    def _reads_in_bursts(self) -> bool:
        """Whether input may have been read that nobody was told of."""
        return any(
            isinstance(call, StreamCall) and call.reader is not None and call.reader.bursting
            for call in list(self._engine.feeding.values())
        )

    def _nap_seconds(self) -> float:
        """How long nobody needs a result, as far as the pace of the calls tells; 0 to wait."""
        calls = self._engine.calls
        if self._followers or not calls or self._engine.has_unseen_calls():
            return 0.0
        nap = _LONGEST_NAP_SECONDS
        try:  # not over a copy: thousands of single calls may wait, of which the first is enough
            for call in calls.values():
                if call.single:
                    return 0.0
                nap = min(nap, call.seconds_to_sleep())
        except RuntimeError:  # another thread began or ended a call: things change too fast to nap
            return 0.0
        return nap if nap >= _SHORTEST_NAP_SECONDS else 0.0

    def _nap(self, seconds: float) -> None:
        """Sleep, but for deaths.  Without the role: who comes meanwhile is served."""
        engine = self._engine
        sentinels = engine.crew.sentinels()
        died = transport.wait(sentinels, seconds) or len(sentinels) < engine.crew.size
        if died and not engine.closed:
            self.try_as_collector(engine.healer.bury)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else deadline - time.monotonic()


def _brief(left: float | None) -> float:
    return _BRIEF_SECONDS if left is None else max(0.0, min(_BRIEF_SECONDS, left))


def _at_most(seconds: float, left: float | None) -> float:
    return seconds if left is None else min(seconds, left)
