"""What workers run whose functions carry queues and connections."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.waiting import HANG_GUARD_SECONDS


def report_and_wait(here: Any, go: Any, _: int) -> Any:
    """Say which worker this is, and return what it is told."""
    here.put(os.getpid())
    return go.get(timeout=HANG_GUARD_SECONDS)


def send_and_wait(connection: Any, go: Any, _: int) -> Any:
    """Say which worker this is by a connection, and return what it is told."""
    connection.send(os.getpid())
    return go.get(timeout=HANG_GUARD_SECONDS)


def put_and_die_once(queue: Any, marker: str, number: int) -> int:
    """Put the number; the first to do so is killed."""
    queue.put(number)
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def divide_and_put(queue: Any, number: int) -> None:
    """Fails for 3."""
    queue.put(1 / (number - 3))


def put_last_of(queue: Any, block: bytes, number: int) -> int:
    """Put the number, return the last byte."""
    queue.put(number)
    return block[-1]
