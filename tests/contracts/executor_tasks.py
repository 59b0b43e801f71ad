"""What the workers of the executor's tests run.  Importable, so every start method finds it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NoReturn


def square(value: int) -> int:
    return value * value


def add(first: int, second: int = 0) -> int:
    return first + second


def fail(text: str) -> NoReturn:
    raise LookupError(text)


def fail_on_three(value: int) -> int:
    if value == 3:
        raise LookupError("three")
    return value


def wait_for(path: str) -> str:
    """Wait until a file is there, for a bounded time."""
    deadline = time.monotonic() + 60
    while not Path(path).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.005)
    return path


def note(path: str) -> str:
    Path(path).touch()
    return path


def pid(_: object = None) -> int:
    return os.getpid()
