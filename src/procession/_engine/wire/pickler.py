"""Objects to bytes and back, for the transports written in Python.

The reducers that programs register on ``multiprocessing.reduction.ForkingPickler`` (PyTorch
does for its tensors) are honoured, because that very class is used.
"""

from __future__ import annotations

import io
import pickle
from multiprocessing.reduction import ForkingPickler
from typing import Any

__all__ = ["dumps", "loads"]


def dumps(obj: Any) -> bytes:
    """The pickled form of ``obj``; raises whatever pickling it raises, here in the caller."""
    buffer = io.BytesIO()
    ForkingPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(obj)
    return buffer.getvalue()  # hands out the buffer's own bytes, not a copy


def loads(data: bytes | bytearray | memoryview) -> Any:
    """The object that ``dumps`` was given."""
    return ForkingPickler.loads(data)
