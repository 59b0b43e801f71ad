"""The states of a pool: it takes calls, it finishes those that it has, it ends now."""

from __future__ import annotations

from typing import Final

__all__ = ["CLOSE", "RUN", "TERMINATE"]

# The standard library's texts, which programs compare with.
RUN: Final = "RUN"
CLOSE: Final = "CLOSE"
TERMINATE: Final = "TERMINATE"
