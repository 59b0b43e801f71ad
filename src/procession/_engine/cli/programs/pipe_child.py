"""A child sends an object through its end of a pipe, and closes that end."""

import sys

from procession import Pipe, Process, set_start_method
from procession.connection import Connection


def produce(end: Connection) -> None:
    """Run in the child: send one object, and say that no more will come."""
    end.send([42, None, "hello"])
    end.close()


if __name__ == "__main__":
    if sys.argv[1:]:  # python pipe_child.py [fork | spawn | forkserver]
        set_start_method(sys.argv[1])
    parent_end, child_end = Pipe()
    process = Process(target=produce, args=(child_end,))
    process.start()
    print(parent_end.recv())
    process.join()
