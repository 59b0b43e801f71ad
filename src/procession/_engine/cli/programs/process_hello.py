"""A function runs in a process of its own."""

import os
import sys

from procession import Process, set_start_method


def greet(name: str) -> None:
    """Say hello, and from where."""
    print(f"hello {name}, from the child, pid {os.getpid()}")


if __name__ == "__main__":
    if sys.argv[1:]:  # python process_hello.py [fork | spawn | forkserver]
        set_start_method(sys.argv[1])
    print(f"this is the parent, pid {os.getpid()}")
    process = Process(target=greet, args=("bob",))
    process.start()
    process.join()
