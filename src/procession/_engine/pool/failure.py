"""An exception on its way from a worker to the caller.

An exception may refuse to be pickled, or to be built again from its pickled form, and that
must not keep its message from arriving: so its name, its text and its traceback travel as
text beside it.  Where it can be built (``revival.py``, in the parent) it arrives as itself, else
as a RemoteError.

Every worker imports this file and few tasks fail, so what describes a failure is imported then.
A task may have used up all descriptors, and nothing can be imported any more: there is a
description even so.
"""

from __future__ import annotations

import os
import pickle

from procession._engine.wire import pickler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

__all__ = ["pack_failure", "pack_refusal"]

_OURS = os.path.dirname(__file__)  # noqa: PTH120  # compared with what frames say

_LONGEST_TEXT = 20_000
"""Characters of an exception's text that its traceback shows."""

_ENDS_A_PROGRAM = (SystemExit, KeyboardInterrupt, GeneratorExit)
"""What would end the caller's program, were it raised there as itself."""


def pack_failure(error: BaseException) -> bytes:
    """In the worker: describe an exception as bytes, from the user's first frame on."""
    kind = type(error)
    name = kind.__name__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{kind.__qualname__}"
    pickled = _pickled(error)
    text, trace = _described(error)
    if pickled is None:
        text = _text(error)  # else the exception has all of it
    return pickle.dumps((name, text, trace, pickled, os.getpid()))


def pack_refusal(error: BaseException, value: Any) -> bytes:
    """In the worker: describe a result that could not be sent, as the standard library tells it."""
    try:
        from multiprocessing.pool import (  # type: ignore[attr-defined]  # noqa: PLC0415  # see above
            MaybeEncodingError,
        )
    except Exception:  # no descriptor for the import
        return pack_failure(error)
    try:
        wrapped = MaybeEncodingError(error, value)
    except BaseException:  # the value's __repr__ is the user's
        wrapped = MaybeEncodingError(error, f"<a {type(value).__name__} whose repr() fails>")
    wrapped.__cause__ = error
    return pack_failure(wrapped)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:  # a user's __str__ may raise anything
        return f"<its __str__ raised {type(broken).__name__}>"


def _described(error: BaseException) -> tuple[str, str]:
    """The exception's text, shortened, and its traceback."""
    trace = error.__traceback__
    while trace is not None and os.path.dirname(trace.tb_frame.f_code.co_filename) == _OURS:  # noqa: PTH120  # as fast
        trace = trace.tb_next
    try:
        import traceback  # noqa: PLC0415  # see above

        description = traceback.TracebackException(type(error), error, trace)
        _shorten(description)
        text = getattr(description, "_str", None)
        return _text(error) if text is None else str(text), "".join(description.format())
    except BaseException:  # no descriptor for the import, no memory, or a user's __str__ again
        text = _text(error)
        return text, f"{_places(trace)}{type(error).__name__}: {_shortened(text)}\n"


def _shorten(description: Any) -> None:
    """Leave out the middle of long texts, also of the causes: nobody reads them in a traceback.

    The exception itself, where it can be pickled, travels whole.
    """
    while description is not None:
        text = getattr(description, "_str", None)  # nothing public is formatted
        if isinstance(text, str):
            description._str = _shortened(text)  # noqa: SLF001
        notes = getattr(description, "__notes__", None)
        if isinstance(notes, (list, tuple)):
            description.__notes__ = [
                _shortened(note) if isinstance(note, str) else note for note in notes
            ]
        description = description.__cause__ or description.__context__


def _shortened(text: str) -> str:
    left_out = len(text) - _LONGEST_TEXT
    if left_out <= 0:
        return text
    half = _LONGEST_TEXT // 2
    return f"{text[:half]} [... {left_out:,} characters left out ...] {text[-half:]}"


def _places(trace: TracebackType | None) -> str:
    """Where it was raised, as far as it can be said without reading any source."""
    lines = ["Traceback (most recent call last):\n"]
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}\n')
        trace = trace.tb_next
    return "".join(lines) if len(lines) > 1 else ""


def _pickled(error: BaseException) -> bytes | None:
    """The exception pickled, if it can also be built again."""
    if isinstance(error, _ENDS_A_PROGRAM):
        return None
    try:
        data = pickler.dumps_exception(error)
        return data if type(pickle.loads(data)) is type(error) else None
    except BaseException:  # it is the user's class: whatever it is, the text goes
        return None
