"""The one thread that a pool may have: for what must happen while nobody waits.

It is started with the first asynchronous call (``apply_async``, ``map_async``) and ends with the
pool.  While it has nothing to do it sleeps in the kernel.  It runs callbacks, replaces
workers that died, and, while calls with callbacks or with input still to send are under way
and nobody else waits, it collects results and feeds as any waiting caller does.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Pipe

from procession._engine.ipc import transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from procession._engine.pool.calls import Call
    from procession._engine.pool.engine import Engine

__all__ = ["Supervisor", "run_callback"]

_JOIN_SECONDS = 5.0


class Supervisor(threading.Thread):
    """Waits for deaths and callbacks."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(name="procession-pool-supervisor", daemon=True)
        self._engine = engine
        self._receiver, self._sender = Pipe(duplex=False)
        self._wake_lock = threading.Lock()
        self._woken = False
        self._ended = False

    def wake(self) -> None:
        """Have it look around, wherever it waits."""
        engine = self._engine
        self._ring()
        if threading.current_thread() is not self:
            engine.collector.rouse(self)

    def _ring(self) -> None:
        with self._wake_lock:
            if not self._woken and not self._sender.closed:
                self._woken = True
                self._sender.send_bytes(b"!")

    def dismiss(self) -> None:
        """End it, and wait for that, but for a callback that does not return."""
        self._ended = True
        if self.is_alive() and threading.current_thread() is not self:
            self._ring()
            self._engine.collector.rouse(self)
            self.join(_JOIN_SECONDS)

    def run(self) -> None:
        """Look after the pool until dismissed."""
        engine = self._engine
        try:
            while not self._ended:
                self._run_callbacks()
                if engine.needs_collector():
                    engine.collector.wait_until(self._has_other_work)
                else:
                    self._watch()
        finally:
            self._ended = True
            with self._wake_lock:
                self._receiver.close()
                self._sender.close()

    def _has_other_work(self) -> bool:
        return bool(self._ended or self._engine.callbacks or not self._engine.needs_collector())

    def _watch(self) -> None:
        """Wait for a death, or to be woken."""
        engine = self._engine
        sentinels = engine.crew.sentinels()
        idle = not engine.calls and not engine.has_unseen_calls()
        complete = idle or len(sentinels) == engine.crew.size
        ready = transport.wait([self._receiver, *sentinels], None if complete else 0.05)
        with self._wake_lock:
            while self._receiver.poll():
                self._receiver.recv_bytes()
            self._woken = False
        died = not complete or any(entry is not self._receiver for entry in ready)
        if died and not self._ended and not engine.collector.try_as_collector(engine.healer.bury):
            engine.collector.wait_for_change(0.05)

    def _run_callbacks(self) -> None:
        engine = self._engine
        with suppress(IndexError):  # terminate() took those away that had not begun
            while not self._ended:
                call = engine.callbacks[0]
                run_callback(call, self)
                engine.show(call)
                engine.callbacks.popleft()


def run_callback(call: Call, thread: threading.Thread) -> None:
    """Tell who wants to know that a call has ended; in the thread that is named."""
    error = getattr(call, "error", None)
    callback = call.callback if error is None else call.error_callback
    if callback is None:
        return
    try:
        callback(getattr(call, "value", None) if error is None else error)
    except BaseException:  # a callback's exception is its own; the pool goes on
        exc_info: Any = (*sys.exc_info(), thread)
        threading.excepthook(threading.ExceptHookArgs(exc_info))
