"""The messages that queues and pipes carry in the measurements, and how a reader uses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["MESSAGES", "Message", "steps_of"]

KIB = 1024
MIB = 1024 * KIB


class Message(NamedTuple):
    """One kind of message."""

    make: Callable[[], Any]
    nbytes: int
    """About how many bytes it takes in a queue."""
    is_array: bool = False


def _array(nbytes: int) -> Callable[[], Any]:
    def make() -> Any:
        import numpy as np

        return np.arange(nbytes // 8, dtype=np.float64)

    return make


MESSAGES = {
    "int": Message(lambda: 7, 16),
    "list": Message(lambda: [42, None, "hello"], 64),
    "dict": Message(lambda: {f"key{number}": number * 1.5 for number in range(10)}, 256),
    "1 KiB": Message(lambda: bytes(range(256)) * 4, KIB),
    "64 KiB": Message(lambda: bytes(range(256)) * 256, 64 * KIB),
    "1 MiB": Message(_array(MIB), MIB, is_array=True),
    "64 MiB": Message(_array(64 * MIB), 64 * MIB, is_array=True),
    "1 GiB": Message(_array(KIB * MIB), KIB * MIB, is_array=True),
}


def steps_of(message: Message) -> Callable[[Any], None]:
    """Return what a consumer does with a message: an array's every page is read."""
    if not message.is_array:
        return lambda _received: None
    return lambda received: received[::512].sum()
