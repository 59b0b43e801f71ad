"""What a pool is apart from its calls: how it begins and ends, what it says of itself.

A pool may be collected while its engine still runs, and then ends it.  Both kinds of pools, of
processes and of threads, live like this.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.pool as standard
import os
import warnings
from multiprocessing import util

from procession._engine.pool.states import RUN, TERMINATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext
    from types import TracebackType
    from typing import Any, ClassVar

    from typing_extensions import Self

    from procession._engine.pool.calls import Call
    from procession._engine.pool.engine import Engine
    from procession._engine.pool.making import Maker
    from procession._engine.pool.stats import PoolStats
    from procession._engine.pool.thread_engine import ThreadEngine

__all__ = ["PoolLife"]


class PoolLife(standard.Pool):
    """A pool that makes no calls; ``__init__`` of a subclass sets what is declared here."""

    default_context: ClassVar[Callable[[], BaseContext]] = multiprocessing.get_context
    """Where a pool that was given no context gets one."""

    _pool: list[Any]
    _state: str
    _engine: Engine | ThreadEngine
    _calls: Maker

    def _start(self) -> None:
        """Start the workers; the engine and the maker of calls are there."""
        engine = self._engine
        self._pool = engine.crew.processes
        try:
            engine.crew.start_all()
        except BaseException:
            engine.terminate()
            raise
        self._terminate = util.Finalize(self, engine.terminate, exitpriority=15)
        self._state = RUN

    # ---- asking

    def stats(self) -> PoolStats:
        """Return what the pool has done so far: tasks, deaths, bytes, times of the workers.

        May be called from any thread and at any time; after the end of the pool it returns the
        last figures.
        """
        engine = self._engine
        engine.check_process()
        return engine.stats()

    # ---- the end

    def close(self) -> None:
        """Take no more calls; workers end when the calls made so far have ended."""
        self._engine.check_process()
        if self._state == RUN:
            self._state = "CLOSE"
            self._calls.close()
            self._engine.close()

    def terminate(self) -> None:
        """End the workers at once; calls under way end with ProcessError."""
        self._engine.check_process()
        self._state = TERMINATE
        self._calls.close()
        self._terminate()

    def join(self) -> None:
        """Wait until all calls and all workers have ended; close() or terminate() first."""
        self._engine.check_process()
        if self._state == RUN:
            raise ValueError("Pool is still running: call close() or terminate() before join()")
        if self._state not in ("CLOSE", TERMINATE):
            raise ValueError("In unknown state")
        self._engine.join()

    def __enter__(self) -> Self:
        self._check_running()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.terminate()

    def __del__(
        self,
        _warn: Callable[..., None] = warnings.warn,
        RUN: str = RUN,  # noqa: N803  # found even while the interpreter shuts down
    ) -> None:
        engine = self.__dict__.get("_engine")
        if engine is None:
            return
        if self._state == RUN and engine.pid == os.getpid():
            _warn(f"unclosed running multiprocessing pool {self!r}", ResourceWarning, source=self)
        engine.be_forgotten()

    def __repr__(self) -> str:
        kind = type(self)
        return (
            f"<{kind.__module__}.{kind.__qualname__} state={self._state}"
            f" pool_size={len(self._pool)}>"
        )

    def __reduce__(self) -> Any:
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    # ---- what programs read of the standard pool

    @property
    def _cache(self) -> dict[int, Call]:
        return self._engine.known_calls()

    @property
    def _inqueue(self) -> Any:
        return self._engine.tasks

    @property
    def _outqueue(self) -> Any:
        return self._engine.results

    _taskqueue = _inqueue

    def _check_running(self) -> None:
        self._engine.check_process()
        if self._state != RUN:
            raise ValueError(
                f"Pool not running: it has been closed or terminated; make a new one ({self!r})"
            )

    def _setup_queues(self) -> None:
        """Nothing: the engine has its queues."""

    def _repopulate_pool(self) -> None:
        """Replace workers that have ended, now."""
        self._engine.replace_dead()

    def _help_stuff_finish(self, *_: Any) -> None:
        """Nothing: no thread of ours is stuck in a queue."""
