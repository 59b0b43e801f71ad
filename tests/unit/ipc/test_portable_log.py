"""The message log: space is given back, foreign files are refused, threads keep their turns."""

from __future__ import annotations

import errno
import os
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from procession._engine.ipc import portable_log
from procession._engine.ipc.portable_log import MessageLog

MIB = 1 << 20


@pytest.fixture
def log() -> Iterator[MessageLog]:
    """An unbounded log."""
    made = MessageLog()
    yield made
    made.close()


def file_size(log: MessageLog) -> int:
    """How large the log's file is, in bytes."""
    return os.fstat(log._memory._descriptor).st_size


def test_keeps_messages_of_all_sizes_in_order(log: MessageLog) -> None:
    """Messages around the internal borders come back whole, alone and together."""
    sizes = (0, 1, 7, 8, 9, 12_000, 16_383, 65_536, 131_071, 131_072, 131_073, 200_000, 0, 3)
    messages = [bytes([i % 256]) * n for i, n in enumerate(sizes)]
    assert log.append([*messages]) == (0, len(messages))
    assert log.take(100) == messages
    for message in messages:
        log.append([message])
    assert [log.take(1) for _ in messages] == [[message] for message in messages]
    for message in messages:
        assert log.put_one(message)
    assert [log.take_one() for _ in messages] == messages
    assert log.take_one() is None


def test_gives_space_back_when_drained(log: MessageLog) -> None:
    """After a burst the file is as small as before."""
    small = file_size(log)
    for _ in range(4):
        log.append([b"x" * MIB])
    assert file_size(log) > 4 * MIB
    log.take(10)
    assert file_size(log) == small


def test_gives_space_back_when_never_drained(log: MessageLog) -> None:
    """A queue that always holds a few messages does not grow for ever."""
    message = os.urandom(MIB)
    log.append([message, message])
    largest = 0
    for _ in range(100):
        log.append([message])
        assert log.take(1) == [message]
        largest = max(largest, file_size(log))
    assert largest < 25 * MIB
    assert log.take(10) == [message, message]


def test_refuses_a_foreign_file(log: MessageLog) -> None:
    """A log whose header is not one says so and is not written to."""
    log.append([b"x"])
    log._memory.write(b"something else entirely", 0)
    for use in (
        lambda: log.append([b"x"]),
        lambda: log.put_one(b"x"),
        lambda: log.take(1),
        log.take_one,
        lambda: _another_door_to(log),
    ):
        with pytest.raises(OSError, match="no queue of this version"):
            use()


def test_says_when_the_file_was_cut(log: MessageLog) -> None:
    """A file that is shorter than its header says raises OSError, for a big message."""
    log.append([b"x" * 200_000])
    log._memory.truncate(5_000)
    with pytest.raises(OSError, match="damaged from outside"):
        log.take(1)


def test_a_full_disk_leaves_the_log_as_it_was(
    log: MessageLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file cannot be made longer OSError is raised, and nothing was put."""
    log.append([b"before"])

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", fail)
        for lost in (b"lost" * 10_000, b"lost" * 100_000):
            with pytest.raises(OSError, match="space"):
                log.append([lost])
            with pytest.raises(OSError, match="space"):
                log.put_one(lost)
    assert log.header().put == 1
    log.append([b"after"])
    assert log.take(10) == [b"before", b"after"]


def test_all_or_none() -> None:
    """With all_or_none, nothing is put where there is not room for all."""
    bounded = MessageLog(3)
    assert bounded.append([b"1", b"2"], all_or_none=True) == (0, 2)
    assert bounded.append([b"3", b"4"], all_or_none=True) == (2, 0)
    assert bounded.append([b"3"], all_or_none=True) == (2, 1)
    bounded.close()


def test_another_door_of_the_same_process_does_not_lose_the_lock(log: MessageLog) -> None:
    """Closing one descriptor of the file while a thread works through another keeps the lock."""
    other = _another_door_to(log)
    rounds = 300

    def put(target: MessageLog) -> None:
        for _ in range(rounds):
            target.append([b"x"])
            target.put_one(b"x")

    def open_and_close() -> None:
        for _ in range(50):
            _another_door_to(log).close()

    threads = [threading.Thread(target=put, args=(each,)) for each in (log, other)]
    threads.append(threading.Thread(target=open_and_close))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert log.header().put == 4 * rounds
    assert len(log.take(10 * rounds)) == 4 * rounds
    other.close()


class _Duplicates:
    """Stands for descriptors on their way: those of the same process, duplicated."""

    def __init__(self, *descriptors: int) -> None:
        self._descriptors = descriptors

    def take(self) -> tuple[int, ...]:
        return tuple(map(os.dup, self._descriptors))


def _another_door_to(log: MessageLog) -> MessageLog:
    def duplicate(made: Any, state: Any) -> Any:
        copy = type(made).__new__(type(made))
        copy.__setstate__(state)
        return copy

    turns = log._turns
    gate = log._ready
    other = MessageLog.__new__(MessageLog)
    other.__setstate__(
        (
            duplicate(log._memory, _Duplicates(log._memory._descriptor)),
            duplicate(turns, (turns._count, _Duplicates(*turns._descriptors))),
            (duplicate(gate, _Duplicates(gate._reader, gate._writer)), None, None),
        )
    )
    return other


def test_claim_numbers_are_checked(log: MessageLog) -> None:
    """A claim beyond the table raises ValueError and takes nothing."""
    log.append([b"x"])
    for claim in (-1, portable_log.CLAIMS):
        with pytest.raises(ValueError, match="does not exist"):
            log.take(1, claim)
    assert log.take(1, 0) == [b"x"]
    assert pickle.dumps(log.read_claim(0)) == pickle.dumps((0, 1))
