"""What a call comes to, for comparing ours with the standard library's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Outcome = tuple[type[BaseException] | None, str]


def outcome(call: Callable[..., Any], *args: Any) -> Outcome:
    """The type and text of what a call raises; (None, "") when it returns.

    The exception itself is let go, with all that its traceback holds.
    """
    try:
        call(*args)
    except Exception as error:
        return type(error), str(error)
    return None, ""
