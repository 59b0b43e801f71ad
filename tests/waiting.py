"""How long tests wait for what is to come: until it is there, or until something hangs."""

from __future__ import annotations

import time
from collections.abc import Callable

HANG_GUARD_SECONDS = 60.0
"""After so long something hangs; generous, as the machine may be busy."""


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, for a bounded time."""
    deadline = time.monotonic() + HANG_GUARD_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)
