"""What the contract tests share: processes ended with the test, and one context."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

import procession
from tests.waiting import HANG_GUARD_SECONDS

Start = Callable[..., BaseProcess]


@pytest.fixture
def start(context: BaseContext) -> Iterator[Start]:
    """Start a process of the context at hand; it is ended with the test at the latest."""
    started: list[BaseProcess] = []

    def start_process(target: Callable[..., None], *args: Any) -> BaseProcess:
        process = context.Process(target=target, args=args)
        process.start()
        started.append(process)
        return process

    yield start_process
    for process in started:
        process.kill()
        process.join(HANG_GUARD_SECONDS)
        process.close()


@pytest.fixture
def any_context() -> BaseContext:
    """One context, for sentences in which no process is started."""
    return procession.get_context("spawn")  # type: ignore[no-any-return]
