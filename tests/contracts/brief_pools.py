"""What tests of brief calls share: a pool that knows their function, where there are such calls."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from procession._engine.ipc import transport
from tests.contracts import pool_tasks as tasks
from tests.contracts.pools import ended

__all__ = ["only_native", "pool"]

only_native = pytest.mark.skipif(
    transport.NAME != "native", reason="the portable transport has no short way"
)


@pytest.fixture
def pool(any_context: BaseContext) -> Iterator[Any]:
    """A pool of two workers that knows ``double`` already."""
    with ended(any_context.Pool(2)) as made:
        assert made.apply_async(tasks.double, (1,)).get() == 2
        yield made
