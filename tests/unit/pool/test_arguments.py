"""Wrong arguments of pools: the error names what was given, and what would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from procession._engine.pool import arguments


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (lambda: arguments.checked_processes(0), "at least 1, or None, not 0"),
        (lambda: arguments.checked_threads(-3), "at least 1, or None, not -3"),
        (lambda: arguments.checked_callable("initializer", 5), "initializer .* or None, not 5"),
        (lambda: arguments.checked_share("2"), "positive int or None, not '2'"),
    ],
)
def test_an_error_names_the_value(check: Callable[[], Any], expected: str) -> None:
    with pytest.raises((ValueError, TypeError), match=expected):
        check()
