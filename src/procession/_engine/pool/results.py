"""What the asynchronous calls return: the standard library's result objects, on our engine.

They are subclasses, so that ``isinstance`` holds; nothing of the bases' machinery is used.
"""

from __future__ import annotations

import multiprocessing.pool as standard

from procession._engine.errors import TimeoutError  # noqa: A004  # the one to raise
from procession._engine.pool.calls import Failure
from procession._engine.pool.steps import PendingResult, ResultIterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from procession._engine.pool.calls import Call
    from procession._engine.pool.engine import Engine
    from procession._engine.pool.stream_call import StreamCall
    from procession._engine.pool.thread_engine import ThreadEngine

__all__ = ["ApplyResult", "AsyncResult", "IMapIterator", "IMapUnorderedIterator", "MapResult"]


class ApplyResult(PendingResult, standard.ApplyResult):  # type: ignore[type-arg]
    """The result of a call that goes on by itself."""

    __module__ = "procession.pool"

    _pool: Any  # keeps the pool from being collected
    _engine: Engine | ThreadEngine
    _call: Any

    def __init__(self, pool: Any, engine: Engine | ThreadEngine, call: Call) -> None:
        # Not the standard library's __init__, which would make a result of its own machinery.
        self._pool = pool
        self._engine = engine
        self._call = call

    @property
    def _job(self) -> int:
        return int(self._call.number)

    @property
    def _cache(self) -> dict[int, Call]:
        return self._engine.known_calls()

    def ready(self) -> bool:
        """Return whether the call has ended."""
        if not self._has_ended():
            self._engine.check_process()
            self._engine.catch_up()
        return self._has_ended()

    def successful(self) -> bool:
        """Return whether the call ended without an exception; ValueError when it has not ended."""
        if not self.ready():
            raise ValueError(f"{self!r} not ready: {self._call.name} has not ended; wait() for it")
        return self._call.error is None

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the call has ended, at most ``timeout`` seconds (None: for ever)."""
        if not self._has_ended():
            self._engine.check_process()
            self._engine.wait_for_result(self, timeout)

    # get() is the base's: of most results it has the value, or wait() brings that.

    def _say_late(self, timeout: float | None) -> NoReturn:
        raise TimeoutError(f"{self._call.name} has not ended after {timeout} seconds")

    def _outcome(self) -> Any:
        """Return the value of the call, which has ended, or raise its exception."""
        call = self._call
        if call.error is not None:
            raise call.error
        return call.value

    def cancel(self, *, running: bool = False, grace: float = 1.0) -> bool:
        """Cancel the call, if none of its tasks has begun; returns whether it is cancelled.

        A call that is cancelled runs no task from now on, and ``get()`` raises
        concurrent.futures.CancelledError.  With ``running=True`` it is cancelled even
        if tasks of it run: they are interrupted by KeyboardInterrupt in their workers,
        and those that have not ended after ``grace`` seconds are killed.  The workers
        are replaced.
        """
        self._engine.check_process()
        call = self._call
        return bool(self._engine.cancel(call, running=running, grace=grace))

    def cancelled(self) -> bool:
        """Return whether the call was cancelled."""
        from concurrent.futures import CancelledError  # noqa: PLC0415  # it imports much

        return isinstance(self._call.failed, CancelledError)

    def _set(self, i: int, obj: Any) -> None:
        raise NotImplementedError("results of this pool are set by its engine alone")


AsyncResult = ApplyResult


class MapResult(ApplyResult, standard.MapResult):  # type: ignore[type-arg]
    """The result of ``map_async`` and ``starmap_async``."""

    __module__ = "procession.pool"


class IMapIterator(ResultIterator, standard.IMapIterator):  # type: ignore[misc,type-arg]
    """The results of ``imap``, in the order of the input, each as soon as it is there."""

    __module__ = "procession.pool"

    def __init__(self, pool: Any, engine: Engine | ThreadEngine, call: StreamCall) -> None:
        super().__init__(call.line, Failure)
        self._pool = pool
        self._engine = engine
        self._call = call
        self._line = call.line
        self._take = call.line.take

    @property
    def _job(self) -> int:
        return self._call.number

    def next(self, timeout: float | None = None) -> Any:
        """Return the next result, or raise the exception of its task.

        Raises multiprocessing.TimeoutError when there is none after ``timeout`` seconds, and
        StopIteration at the end.
        """
        call = self._call
        try:
            value = self._take()
        except LookupError:
            value = self._wait(timeout)
        if self._line.taken >= self._line.refill_at:
            self._engine.refill(call)
        if type(value) is Failure:
            raise value.error
        return value

    def _wait(self, timeout: float | None) -> Any:
        """Wait for the next result and take it, from the line that has run dry."""
        call, engine = self._call, self._engine
        engine.check_process()
        while True:
            finished = call.finished  # asked first: nothing is put in line after that
            if not finished:
                engine.refill(call)
                if not engine.wait(call, timeout):
                    raise TimeoutError(f"no result of {call.name} after {timeout} seconds")
            try:
                return self._take()
            except LookupError:  # another thread took it, or this is the end
                if finished:
                    break
        if call.failed is not None:
            raise call.failed
        raise StopIteration

    def __del__(self) -> None:
        # Nobody can take the rest: without this an endless input would be read for ever.
        # (Only a flag: a finalizer may run anywhere, also where a lock is held.)
        call = getattr(self, "_call", None)
        if call is not None:
            call.abandon()

    def _set(self, i: int, obj: Any) -> None:
        raise NotImplementedError("results of this pool are set by its engine alone")

    def _set_length(self, length: int) -> None:
        raise NotImplementedError("results of this pool are set by its engine alone")


class IMapUnorderedIterator(  # type: ignore[misc]
    IMapIterator,
    standard.IMapUnorderedIterator,  # type: ignore[type-arg]
):
    """The results of ``imap_unordered``, in the order in which they come."""

    __module__ = "procession.pool"
