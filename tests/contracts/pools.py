"""What tests of pools share: a pool that ends with its test, and its processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ended", "pids"]


@contextmanager
def ended(pool: Any, *, in_order: bool = False) -> Iterator[Any]:
    """Give a pool that is terminated with the test, or closed, and leaves nothing behind."""
    yield pool
    if in_order:
        pool.close()
    else:
        pool.terminate()
    pool.join()
    for process in pool._pool:  # a traceback may hold the pool, and with it their sentinels
        process.close()


def pids(pool: Any) -> list[int]:
    return [process.pid for process in pool._pool]
