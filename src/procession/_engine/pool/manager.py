"""The standard library's managers, run in processes of ours, with pools and locks that are ours.

A pool that a manager makes runs in the manager's process, and programs reach it through
proxies.  There as here a worker that dies must not leave anybody waiting.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import managers

from procession._engine.ipc import named_memory
from procession._engine.pool import manager_locks
from procession._engine.pool.manager_mail import BY_VALUE
from procession._engine.pool.pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from multiprocessing import shared_memory
    from multiprocessing.context import BaseContext
    from typing import Any, ClassVar

__all__ = ["BaseManager", "SharedMemoryManager", "SyncManager"]

_PLACE_OF_CONTEXT = 3


class BaseManager(managers.BaseManager):
    """A process that keeps objects for others; its types are registered by subclasses."""

    __module__ = "procession.managers"

    _serializer: str
    _address: Any
    _authkey: bytes

    default_context: ClassVar[Callable[[], BaseContext]] = multiprocessing.get_context
    """Where a manager that was given no context gets one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        # What it takes differs from release to release; the context is always the fourth.
        if len(args) <= _PLACE_OF_CONTEXT and options.get("ctx") is None:
            options["ctx"] = type(self).default_context()
        super().__init__(*args, **options)
        if self._serializer == "pickle":
            self._serializer = BY_VALUE
            self._Listener, self._Client = managers.listener_client[BY_VALUE]  # type: ignore[attr-defined]


class SyncManager(BaseManager, managers.SyncManager):
    """A manager of lists, dicts, locks, queues, pools, ..."""

    __module__ = "procession.managers"

    _Server = manager_locks.Server


class SharedMemoryManager(BaseManager, managers.SharedMemoryManager):
    """A manager of blocks of shared memory, which ends them with itself."""

    __module__ = "procession.managers"

    def SharedMemory(self, size: int) -> named_memory.SharedMemory:  # noqa: N802
        """Make a block of this size, which ends with the manager."""
        block = named_memory.SharedMemory(create=True, size=size)
        self._keep_track_of(block)
        return block

    def ShareableList(self, sequence: Iterable[Any] | None) -> named_memory.ShareableList:  # noqa: N802
        """Make a list of these items in a block which ends with the manager."""
        items = named_memory.ShareableList(sequence)
        self._keep_track_of(items.shm)
        return items

    def _keep_track_of(self, block: shared_memory.SharedMemory) -> None:
        """Leave the end of a block to the manager's process, or there is no such block."""
        try:
            with self._Client(self._address, authkey=self._authkey) as connection:
                managers.dispatch(connection, None, "track_segment", (block.name,))  # type: ignore[attr-defined]
        except BaseException:
            block.unlink()
            raise


SyncManager.register("Pool", Pool, managers.PoolProxy)  # type: ignore[attr-defined]  # not in its types

for _name, _make, _proxy in (
    ("Lock", manager_locks.Lock, managers.AcquirerProxy),  # type: ignore[attr-defined]
    ("RLock", manager_locks.RLock, managers.AcquirerProxy),  # type: ignore[attr-defined]
    ("Condition", manager_locks.condition, managers.ConditionProxy),  # type: ignore[attr-defined]
):
    SyncManager.register(_name, _make, _proxy)
