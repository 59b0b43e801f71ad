"""The contexts: the factory that knows all others.

A context makes everything for one start method.  Each of ours is a subclass of the
standard library's class of its kind, so whatever takes an ``mp_context`` takes ours.

Which start method a program uses is one fact, kept in one place: the standard library's
default context.  ``procession.set_start_method`` sets it there, and ours follows it
(docs/differences.md says why).
"""

# ruff: noqa: N802  # the factories have the names of what they make

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing import context as std

from procession._engine.process.process import Process, SpawnProcess
from procession._engine.wire.main_module import MAIN

if sys.platform != "win32":
    from procession._engine.process.process import ForkProcess, ForkServerProcess

# Every spawned child imports this module, to be the class of its process.  What only some use
# is imported where it is used, and typing never.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from procession._engine.ipc import locks, transport
    from procession._engine.pool.manager import SyncManager
    from procession._engine.pool.pool import Pool
    from procession._engine.types import Target

STANDARD: Any = std._default_context  # noqa: SLF001
"""Where the program's start method is kept."""

__all__ = ["BaseContext", "DefaultContext", "SpawnContext", "_default_context"]


class BaseContext(std.BaseContext):
    """The objects of procession, made for one start method."""

    __module__ = "procession.context"

    # Value and Array are the standard library's, made with this context and its locks.

    def Lock(self) -> locks.Lock:
        """Return a lock; the death of the process that holds it releases it (native transport)."""
        from procession._engine.ipc import locks

        return locks.Lock(ctx=self.get_context())

    def RLock(self) -> locks.RLock:
        """Return a lock that the thread which holds it may acquire again."""
        from procession._engine.ipc import locks

        return locks.RLock(ctx=self.get_context())

    def Semaphore(self, value: int = 1) -> locks.Semaphore:
        """Return a semaphore that can be acquired ``value`` times."""
        from procession._engine.ipc import locks

        return locks.Semaphore(value, ctx=self.get_context())

    def BoundedSemaphore(self, value: int = 1) -> locks.BoundedSemaphore:
        """Return a semaphore that refuses to be released above ``value``."""
        from procession._engine.ipc import locks

        return locks.BoundedSemaphore(value, ctx=self.get_context())

    def Condition(self, lock: Any = None) -> locks.Condition:
        """Return a condition variable with this lock, or with an RLock of its own."""
        from procession._engine.ipc import locks

        return locks.Condition(lock, ctx=self.get_context())

    def Event(self) -> locks.Event:
        """Return a flag that can be set, cleared and waited for."""
        from procession._engine.ipc import locks

        return locks.Event(ctx=self.get_context())

    def Barrier(
        self, parties: int, action: Callable[[], object] | None = None, timeout: float | None = None
    ) -> locks.Barrier:
        """Return a point that ``parties`` threads or processes pass together."""
        from procession._engine.ipc import locks

        return locks.Barrier(parties, action, timeout, ctx=self.get_context())

    def Queue(self, maxsize: int = 0) -> transport.Queue:
        """Return a queue that holds at most ``maxsize`` messages (0: no limit)."""
        from procession._engine.ipc import transport

        return transport.Queue(maxsize, ctx=self._for_messages())

    def JoinableQueue(self, maxsize: int = 0) -> transport.JoinableQueue:
        """Return a queue with ``task_done()`` and ``join()``."""
        from procession._engine.ipc import transport

        return transport.JoinableQueue(maxsize, ctx=self._for_messages())

    def SimpleQueue(self) -> transport.SimpleQueue:
        """Return a queue with ``put``, ``get``, ``empty`` and ``close`` only."""
        from procession._engine.ipc import transport

        return transport.SimpleQueue(ctx=self._for_messages())

    def Pipe(self, duplex: bool = True) -> tuple[transport.Connection, transport.Connection]:
        """Return two connected connections; with ``duplex=False`` (receiver, sender)."""
        from procession._engine.ipc import transport

        MAIN.expect(self.get_start_method(allow_none=True))
        return transport.Pipe(duplex)

    def Pool(
        self,
        processes: int | None = None,
        initializer: Target | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        **options: Any,
    ) -> Pool:
        """Return a pool of worker processes; ``options`` are those of ``procession.pool.Pool``."""
        from procession._engine.pool.pool import Pool

        return Pool(
            processes,
            initializer,
            initargs,
            maxtasksperchild,
            context=self.get_context(),
            **options,
        )

    def Manager(self) -> SyncManager:
        """Return a manager whose process has been started; its pools are ours, too."""
        from procession._engine.pool import manager, pool

        # The process of a manager makes pools, and they know no contexts.
        pool.Pool.default_context = _default_context.get_context
        started = manager.SyncManager(ctx=self.get_context())
        started.start()
        return started

    def _for_messages(self) -> Any:
        """Return this context; what is sent from now on goes to processes that it starts."""
        context = self.get_context()
        MAIN.expect(context.get_start_method())
        return context

    def get_context(self, method: str | None = None) -> Any:
        """Return the context of a start method; without one, this context.

        Raises ValueError for a method that this system does not have.
        """
        if method is None:
            return self
        try:
            # What others add (loky does) is in the standard library's table, ours in our own.
            context = CONTEXTS.get(method) or std._concrete_contexts[method]  # type: ignore[attr-defined]  # noqa: SLF001
        except (KeyError, TypeError):
            known = ", ".join(repr(name) for name in CONTEXTS)
            raise ValueError(
                f"cannot find context for {method!r}: the start methods here are {known}"
            ) from None
        context._check_available()  # noqa: SLF001
        return context


class SpawnContext(BaseContext, std.SpawnContext):
    """Children in new interpreters."""

    __module__ = "procession.context"
    Process = SpawnProcess


class DefaultContext(BaseContext, std.DefaultContext):
    """The context of the program's start method, whatever that is at the moment."""

    __module__ = "procession.context"
    Process = Process

    def __init__(self) -> None:
        """Make no state: see ``_actual_context``."""

    @property
    def _actual_context(self) -> Any:
        """The standard library's choice; programs look here to save and restore it."""
        return STANDARD._actual_context  # noqa: SLF001

    @_actual_context.setter
    def _actual_context(self, context: Any) -> None:
        STANDARD._actual_context = context  # noqa: SLF001

    def get_context(self, method: str | None = None) -> Any:
        """Return the context of a start method; without one, of the program's."""
        return super().get_context(multiprocessing.get_start_method() if method is None else method)

    def set_start_method(self, method: str | None, force: bool = False) -> None:
        """Choose how this program starts processes, once (again only with ``force``).

        Raises RuntimeError when it was chosen, or used, before; ValueError for an unknown method.
        """
        multiprocessing.set_start_method(method, force)

    def get_start_method(self, allow_none: bool = False) -> str | None:  # type: ignore[override]
        """Return the program's start method; with ``allow_none``, None where none was chosen."""
        return multiprocessing.get_start_method(allow_none)

    def get_all_start_methods(self) -> list[str]:
        """Return the start methods of this system, the default first."""
        return multiprocessing.get_all_start_methods()


CONTEXTS: dict[str, BaseContext] = {"spawn": SpawnContext()}
"""Start method -> its context; one object each, as in the standard library."""

if sys.platform != "win32":

    class ForkContext(BaseContext, std.ForkContext):
        """Children as copies of this process."""

        __module__ = "procession.context"
        Process = ForkProcess

    class ForkServerContext(BaseContext, std.ForkServerContext):
        """Children forked from a server that was started for this."""

        __module__ = "procession.context"
        Process = ForkServerProcess

    CONTEXTS = {"fork": ForkContext(), **CONTEXTS, "forkserver": ForkServerContext()}

_default_context = DefaultContext()
"""The context behind the functions of the package: ``procession.Queue`` is its ``Queue``."""
