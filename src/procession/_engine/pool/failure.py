"""An exception on its way from a worker to the caller.

An exception may refuse to be pickled, or to be built again from its pickled form, and that
must not keep its message from arriving: so its name, its text and its traceback travel as
text beside it.  Where it can be built it arrives as itself, else as a RemoteError.
"""

from __future__ import annotations

import os
import pickle
import traceback
from multiprocessing.pool import (  # type: ignore[attr-defined]  # typeshed omits them
    MaybeEncodingError,
    RemoteTraceback,
)
from typing import Any

from procession._engine.errors import RemoteError
from procession._engine.wire import pickler

__all__ = ["MaybeEncodingError", "RemoteTraceback", "pack_failure", "unpack_failure"]

_OURS = os.path.dirname(__file__)  # noqa: PTH120  # compared with what frames say

_ENDS_A_PROGRAM = (SystemExit, KeyboardInterrupt, GeneratorExit)
"""What would end the caller's program, were it raised there as itself."""


def pack_failure(error: BaseException) -> bytes:
    """In the worker: describe an exception as bytes, from the user's first frame on."""
    kind = type(error)
    record = (
        f"{kind.__module__}.{kind.__qualname__}"
        if kind.__module__ != "builtins"
        else kind.__name__,
        _text(error),
        _trace(error),
        _pickled(error),
        os.getpid(),
    )
    return pickle.dumps(record)


def unpack_failure(data: bytes, task: str) -> BaseException:
    """In the caller: the exception, its remote traceback as cause, a note that names the task."""
    type_name, text, trace, pickled, pid = pickle.loads(data)
    error = _revived(pickled)
    if error is None:
        error = RemoteError(type_name, text, trace)
    error.__cause__ = RemoteTraceback(f'\n"""\n{trace}"""')
    if hasattr(error, "add_note"):
        error.add_note(f"raised by {task}, in the pool's worker with pid {pid}")
    return error


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # a user's __str__ may raise anything
        return f"<its __str__ raised {type(broken).__name__}>"


def _trace(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and os.path.dirname(trace.tb_frame.f_code.co_filename) == _OURS:  # noqa: PTH120  # as fast
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception:  # no memory, or a user's __str__ again
        return f"{type(error).__name__}: {_text(error)}\n"


def _pickled(error: BaseException) -> bytes | None:
    """The exception pickled, if it can also be built again."""
    if isinstance(error, _ENDS_A_PROGRAM):
        return None
    try:
        data = pickler.dumps_exception(error)
        return data if type(pickle.loads(data)) is type(error) else None
    except Exception:  # it is the user's class: whatever it is, the text goes
        return None


def _revived(pickled: bytes | None) -> BaseException | None:
    if pickled is None:
        return None
    try:
        error: Any = pickle.loads(pickled)
    except Exception:  # its class may not exist here
        return None
    return error if isinstance(error, BaseException) else None
