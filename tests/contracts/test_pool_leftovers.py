"""What is left when a pool is over: nothing, and that at once."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from tests.contracts import pool_tasks as tasks

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts in /proc")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """No collection of garbage: what only a collection would give back stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _use(context: BaseContext, *, close: bool) -> None:
    pool: Any = context.Pool(2)
    assert pool.map(tasks.double, range(4)) == [0, 2, 4, 6]
    assert pool.apply_async(tasks.double, (4,)).get() == 8
    assert list(pool.imap(tasks.double, iter(range(3)))) == [0, 2, 4]
    if close:
        pool.close()
    else:
        pool.terminate()
    pool.join()


@pytest.mark.usefixtures("no_collector")
def test_pools_in_a_row_hold_nothing(any_context: BaseContext) -> None:
    """No descriptor and no thread, whoever ended them, even before a collection."""
    for close in (True, False):
        _use(any_context, close=close)
    before = sorted(os.listdir("/proc/self/fd")), threading.active_count()
    for number in range(10):
        _use(any_context, close=bool(number % 2))
    assert (sorted(os.listdir("/proc/self/fd")), threading.active_count()) == before
