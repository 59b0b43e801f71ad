"""Ctrl-C where a step is many lines of Python: it comes when the step has been made.

A KeyboardInterrupt may strike between any two bytecodes of the main thread.  In the middle of a
step on shared state it would leave a lock taken, or a message out of the queue and in nobody's
hands.
Between ``hold`` and ``Held.let_go`` the signal is noted, and its handler is called at the end.
Whatever waits for long waits outside.

This is done with each message of a queue, by the C functions beneath the module ``signal``: the
wrappers look for an enum member of each handler, which takes twenty times as long as to set it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # beneath ``signal``, see above
import os
import threading
from collections.abc import Callable
from types import FrameType

__all__ = ["Held", "hold", "runs_code"]

_handler_of = _signal.getsignal
_SIGINT = _signal.SIGINT
_raises = _signal.default_int_handler


class Held:
    """The handler of SIGINT meanwhile."""

    __slots__ = ("_came", "_handler")

    def __init__(self, handler: Callable[[int, FrameType | None], object]) -> None:
        self._handler = handler
        self._came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._came = True

    def put_back(self) -> None:
        """Put the program's handler back."""
        _signal.signal(_signal.SIGINT, self._handler)

    def let_go(self) -> None:
        """Put the program's handler back, and call it if the signal came; it may raise."""
        self.put_back()
        if self._came:
            self._handler(_signal.SIGINT, None)


def hold() -> Held | None:
    """Note SIGINT from now on; None where it strikes nobody, or is held already.

    That is: in other threads than the main one, and where the program ignores it.
    """
    if threading.current_thread() is not threading.main_thread():
        return None
    handler = _signal.getsignal(_signal.SIGINT)
    if not callable(handler) or isinstance(handler, Held):
        return None
    held = Held(handler)
    try:
        _signal.signal(_signal.SIGINT, held)
    except ValueError:  # the main thread of a subinterpreter
        return None
    return held


def runs_code() -> bool:
    """Whether SIGINT may run code of the program in this thread, which may do anything there.

    Python's own handler runs none: it raises KeyboardInterrupt.  One of ours that does that or
    nothing says so by an attribute, ``raises_or_returns``.
    """
    handler = _handler_of(_SIGINT)
    return (
        handler is not _raises
        and callable(handler)
        and not hasattr(handler, "raises_or_returns")
        and threading.current_thread() is threading.main_thread()
    )


def _put_back_in_child() -> None:
    """Another thread has forked while the main one held it, which does not exist here."""
    handler = _signal.getsignal(_signal.SIGINT)
    if isinstance(handler, Held):
        handler.put_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_put_back_in_child)
