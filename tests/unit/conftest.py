"""What several units' tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from procession._engine.wire import pickler

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def codec_alone() -> Iterator[None]:
    """Have the codec ask nobody for what the C pickler refuses, as long as the test runs."""
    from procession._native import _set_fallback

    _set_fallback(None)
    yield
    _set_fallback(pickler.by_value)
