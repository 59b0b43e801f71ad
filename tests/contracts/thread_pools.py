"""The pool of threads that tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from procession.pool import ThreadPool

SECONDS = 30.0
"""After so long a task that waits for another gives up."""


@pytest.fixture
def pool() -> Iterator[Any]:
    """A pool of two threads; it is ended with the test."""
    made = ThreadPool(2)
    yield made
    made.terminate()
    made.join()
