"""A child puts an object into a queue; the parent gets it."""

import sys

from procession import Process, Queue, set_start_method
from procession.queues import Queue as QueueType


def produce(queue: QueueType) -> None:
    """Run in the child: put one object."""
    queue.put([42, None, "hello"])


if __name__ == "__main__":
    if sys.argv[1:]:  # python queue_child.py [fork | spawn | forkserver]
        set_start_method(sys.argv[1])
    queue = Queue()
    process = Process(target=produce, args=(queue,))
    process.start()
    print(queue.get())
    process.join()
