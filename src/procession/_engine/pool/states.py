"""The states of a pool: it is being made, takes calls, finishes those that it has, ends now."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["CLOSE", "INIT", "RUN", "TERMINATE"]

# The standard library's texts, which programs compare with.
INIT: Final = "INIT"
RUN: Final = "RUN"
CLOSE: Final = "CLOSE"
TERMINATE: Final = "TERMINATE"
