"""The standard library's queue classes, as bases of ours.

They are bases so that ``isinstance(q, multiprocessing.queues.Queue)`` holds; none of their
methods that touch pipes, locks or threads is ever run.  They are generic to type checkers only.
"""

from __future__ import annotations

import multiprocessing.queues

__all__ = ["StandardJoinableQueue", "StandardQueue", "StandardSimpleQueue"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    StandardQueue = multiprocessing.queues.Queue[Any]
    StandardJoinableQueue = multiprocessing.queues.JoinableQueue[Any]
    StandardSimpleQueue = multiprocessing.queues.SimpleQueue[Any]
else:
    StandardQueue = multiprocessing.queues.Queue
    StandardJoinableQueue = multiprocessing.queues.JoinableQueue
    StandardSimpleQueue = multiprocessing.queues.SimpleQueue
