"""A process that may have no more descriptors: what is said, and that nothing is left behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest

import procession
from procession._engine.ipc import transport

resource = pytest.importorskip("resource")
pytestmark = pytest.mark.skipif(transport.NAME != "native", reason="says what ours need")


@pytest.mark.parametrize(
    ("make", "free"),
    [
        (procession.Pipe, 0),
        (procession.Pipe, 2),
        (procession.Pipe, 4),
        (procession.SimpleQueue, 0),
        (procession.SimpleQueue, 1),
    ],
)
def test_without_descriptors_the_error_says_what_to_do(make: Callable[[], Any], free: int) -> None:
    """It names the limit, how far it goes up, and what a queue and a pipe need of it."""
    make()  # imports what it needs
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = sorted(os.listdir("/proc/self/fd"))
    hog = [os.open(os.devnull, os.O_RDONLY) for _ in range(free + 1)]
    limit = hog[free]  # the descriptors below it are given back
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    for descriptor in hog:
        os.close(descriptor)
    try:
        with pytest.raises(OSError, match="A queue has 2, a pipe 5") as caught:
            make()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE
    assert f"may have {limit} descriptors" in str(caught.value)
    assert f"raised to {hard}" in str(caught.value)
    assert "ulimit -n" in str(caught.value)
    assert sorted(os.listdir("/proc/self/fd")) == before
