"""The results of an executor's ``map``: from futures of chunks to an iterator over values."""

from __future__ import annotations

import time
from collections import deque
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from typing import Any, TypeVar

    T = TypeVar("T")

__all__ = ["run_chunk", "yield_results"]


def run_chunk(function: Callable[..., T], chunk: Sequence[tuple[Any, ...]]) -> list[T]:
    """Return what ``function`` gives for each list of arguments; runs in a worker."""
    return [function(*arguments) for arguments in chunk]


def yield_results(
    begin: Callable[[Any], Future[list[T]]],
    chunks: Iterator[Any],
    timeout: float | None,
    ahead: int | None,
) -> Iterator[T]:
    """Begin all chunks now, or ``ahead`` of them, and return an iterator over their results.

    The first exception of a chunk, or a time-out, ends it and cancels what has not begun.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    futures = deque(begin(chunk) for chunk in islice(chunks, ahead))
    # The generator begins to run with the first result that is asked for; the tasks now.
    return _results(begin, chunks, deadline, futures)


def _results(
    begin: Callable[[Any], Future[list[T]]],
    chunks: Iterator[Any],
    deadline: float | None,
    futures: deque[Future[list[T]]],
) -> Iterator[T]:
    try:
        while futures:
            left = None if deadline is None else deadline - time.monotonic()
            values = _result_or_cancel(futures.popleft(), left)
            futures.extend(begin(chunk) for chunk in islice(chunks, 1))
            values.reverse()
            while values:
                yield values.pop()  # no reference is kept to what was handed out
    finally:
        for future in futures:
            future.cancel()


def _result_or_cancel(future: Future[list[T]], left: float | None) -> list[T]:
    try:
        return future.result(left)
    finally:
        future.cancel()  # does nothing to one that has ended
        del future  # an exception's traceback holds this frame, and the future the exception
