"""What a worker said of an exception (``failure.py``), made into an exception again."""

from __future__ import annotations

import pickle
from multiprocessing.pool import RemoteTraceback  # type: ignore[attr-defined]  # not in typeshed

from procession._engine.errors import RemoteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["unpack_failure"]


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


def _revived(pickled: bytes | None) -> BaseException | None:
    if pickled is None:
        return None
    try:
        error: Any = pickle.loads(pickled)
    except Exception:  # its class may not exist here
        return None
    return error if isinstance(error, BaseException) else None
