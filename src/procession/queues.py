"""Door, ours: the queues."""

from queue import Empty, Full

from procession._engine.ipc.transport import JoinableQueue, Queue, SimpleQueue

__all__ = ["Empty", "Full", "JoinableQueue", "Queue", "SimpleQueue"]
