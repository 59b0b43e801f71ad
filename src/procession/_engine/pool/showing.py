"""A user's values, shortened, for people to read in messages."""

from __future__ import annotations

import reprlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = ["shown"]


def shown(value: Any) -> str:
    """Show a value, shortened, for people."""
    try:
        return _shortener.repr(value)
    except Exception:  # the user's __repr__ may raise anything
        return f"<{type(value).__name__} whose repr() fails>"


_shortener: Final = reprlib.Repr()
_shortener.maxstring = _shortener.maxother = 60
