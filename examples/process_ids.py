"""The same function says in both processes where it runs."""

import os
import sys

from procession import Process, set_start_method


def tell(title: str) -> None:
    """Print which process this is."""
    print(title)
    print(f"  module: {__name__}")
    print(f"  parent process: pid {os.getppid()}")
    print(f"  this process:   pid {os.getpid()}")


def greet(name: str) -> None:
    """Run in the child."""
    tell("in the child")
    print(f"hello {name}")


if __name__ == "__main__":
    if sys.argv[1:]:  # python process_ids.py [fork | spawn | forkserver]
        set_start_method(sys.argv[1])
    tell("in the parent")
    process = Process(target=greet, args=("bob",))
    process.start()
    process.join()
