"""Iterators of a pool: every combination of what is sent together and what is read ahead."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import pytest

import procession
from tests.conftest import START_METHODS
from tests.contracts import pool_tasks as tasks


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
