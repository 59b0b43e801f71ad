"""Iterators of a pool: every combination of what is sent together and what is read ahead."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import procession
from tests.conftest import START_METHODS
from tests.contracts import executor_tasks
from tests.contracts import pool_tasks as tasks
from tests.waiting import HANG_GUARD_SECONDS


@pytest.mark.parametrize("kind", [iter, list])
def test_every_chunksize_with_every_buffersize(kind: Callable[[range], Iterable[int]]) -> None:
    """All results come, also where the buffer holds less than a chunk."""
    with procession.get_context(START_METHODS[0]).Pool(2) as pool:
        sizes = itertools.product((1, 2, 3, 7), (1, 2, 3, 5, 10, None), (1, 12, 30))
        for chunksize, buffersize, total in sizes:
            results = pool.imap(
                tasks.identity, kind(range(total)), chunksize, buffersize=buffersize
            )
            assert list(results) == list(range(total))


class SlowToPickle:
    """Becomes a text when it is pickled, and not before it may."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.begun = threading.Event()
        self.may_go_on = threading.Event()

    def __reduce__(self) -> tuple[Any, ...]:
        self.begun.set()
        assert self.may_go_on.wait(HANG_GUARD_SECONDS)
        return str, (self.text,)


def test_the_last_task_is_packed_while_all_others_end(tmp_path: Path) -> None:
    """One thread has it in hand, another takes in the results: the call has not ended."""
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    Path(first).touch()
    slow = SlowToPickle(first)
    items = [*[first] * 15, second, slow]
    taken: list[str] = []
    with procession.get_context(START_METHODS[0]).Pool(2) as pool:
        results = pool.imap(executor_tasks.wait_for, items, buffersize=16)
        thread = threading.Thread(target=lambda: taken.extend(itertools.islice(results, 12)))
        thread.start()
        assert slow.begun.wait(HANG_GUARD_SECONDS)
        Path(second).touch()
        deadline = time.monotonic() + HANG_GUARD_SECONDS
        while pool._engine._ledger.chunks:
            assert time.monotonic() < deadline
            assert pool.apply(tasks.double, (1,)) == 2
        slow.may_go_on.set()
        thread.join()

        assert [*taken, *results] == [*[first] * 15, second, first]
