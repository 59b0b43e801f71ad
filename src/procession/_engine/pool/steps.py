"""What is done for every message and every result: in C where the transport is native.

Both forms do the same, and the tests of the pool run on both.

- ``Chunk``: tasks that travel as one message, and how far they have come;
- ``SingleCall``: the fields of a call of one task;
- ``TicketBook``: the table of messages on their way, and the short way of single calls;
- ``PendingResult``: the fields of a result object;
- ``InputIterator``: the items of an iterator, each as it was when it was read;
- ``ResultLine``: an iterator's results until they are taken;
- ``ResultIterator``: from there to the loop that takes them;
- ``take_results``: from the result queue to where results belong;
- ``WorkLoop``: what a worker does for every message and task;
- ``run_tasks``: what a thread does for the tasks in its hands;
- ``is_plain``: whether a message of this object cannot fail to be read.
"""

from __future__ import annotations

from procession._engine.ipc import transport

__all__ = [
    "Chunk",
    "InputIterator",
    "PendingResult",
    "ResultIterator",
    "ResultLine",
    "SingleCall",
    "TicketBook",
    "WorkLoop",
    "is_plain",
    "run_tasks",
    "take_results",
]

TYPE_CHECKING = False
if TYPE_CHECKING or transport.NAME == "native":
    from procession._engine.native import (
        Chunk,
        InputIterator,
        PendingResult,
        ResultIterator,
        ResultLine,
        SingleCall,
        TicketBook,
        WorkLoop,
        is_plain,
        run_tasks,
        take_results,
    )
else:
    from procession._engine.pool.portable_loop import WorkLoop
    from procession._engine.pool.portable_steps import (
        Chunk,
        InputIterator,
        PendingResult,
        ResultIterator,
        ResultLine,
        SingleCall,
        TicketBook,
        is_plain,
        run_tasks,
        take_results,
    )
