"""Messages that tell whether they arrived whole, and tasks that leave a trace of each attempt.

Everything here runs in workers as well; importable, so every start method finds it.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

BIG = 100 * 1024
"""Bytes of a big payload: far above what travels within a message."""

_ENTRY = struct.Struct("=QQ")

_trace = -1
_lock: Any = None


class Parcel(NamedTuple):
    """A numbered payload and its checksum."""

    number: int
    data: bytes | bytearray
    checksum: int


def parcel(number: int) -> Parcel:
    """Make the payload of a number: mostly small, now and then big, as bytes or bytearray."""
    unit = struct.pack("=Q", number)
    data = unit * (BIG // len(unit) if number % 7 == 3 else 1 + number % 5)
    payload = bytearray(data) if number % 2 else data
    return Parcel(number, payload, zlib.crc32(data, number))


def check(got: Parcel) -> int:
    """Return the number of a parcel.  Raises ValueError when it is not as it was made."""
    if zlib.crc32(got.data, got.number) != got.checksum or got != parcel(got.number):
        raise ValueError(f"parcel {got.number} arrived damaged")
    return got.number


def answer(got: Parcel) -> Parcel:
    """Be a task: note the attempt, check what came, send back another parcel."""
    number = check(got)
    note(number)
    if _lock is not None and number % 3 == 0:
        with _lock:
            pass
    return parcel(number + 1)


def answer_all(first: Parcel, *others: Parcel) -> Parcel:
    """The same with the items of starmap."""
    for other in others:
        check(other)
    return answer(first)


def note(number: int) -> None:
    """Write down that a task began, in one write that a kill cannot take back."""
    if _trace >= 0:
        os.write(_trace, _ENTRY.pack(number, os.getpid()))


class Trace:
    """How often each task began, read on from where the last look ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._begun: Counter[int] = Counter()

    def begun(self) -> Counter[int]:
        """Return how often each task has begun so far."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                text = file.read()
            whole = len(text) // _ENTRY.size * _ENTRY.size
            self._read += whole
            self._begun.update(number for number, _ in _ENTRY.iter_unpack(text[:whole]))
        return self._begun


def expose(trace: str, lock: Any = None, point: str = "", tokens: str = "", most: int = 0) -> None:
    """Be a pool's initializer: leave traces, and carry at most one bomb.

    A worker that gets one of ``most`` tokens dies when it passes ``point`` for the n-th time, n
    being the number of the token.
    """
    global _trace, _lock  # noqa: PLW0603  # a worker has these once
    die_quietly()
    _trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
    _lock = lock
    number = _take_token(tokens, most) if point else 0
    if number:
        from procession._engine import native  # points there are on this transport alone

        native.arm_kill_point(point, number)


def die_quietly() -> None:
    """No stack on the terminal and no core file when SIGSEGV comes."""
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _take_token(folder: str, most: int) -> int:
    for number in range(1, most + 1):
        try:
            with (Path(folder) / str(number)).open("x") as token:
                token.write(str(os.getpid()))
        except FileExistsError:
            continue
        return number
    return 0
