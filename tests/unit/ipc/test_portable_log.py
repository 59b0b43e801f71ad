"""The message log: space is given back, foreign files are refused, deaths change nothing."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import sys
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
    return os.fstat(log._file._descriptor).st_size


def test_keeps_messages_of_all_sizes_in_order(log: MessageLog) -> None:
    """Messages around the internal borders come back whole, alone and together."""
    messages = [bytes([i % 256]) * n for i, n in enumerate((0, 1, 65_527, 65_528, 65_536, 200_000))]
    assert log.append([*messages]) == (0, 6)
    assert log.take(100) == messages
    for message in messages:
        log.append([message])
    assert [log.take(1) for _ in messages] == [[message] for message in messages]


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
    log._file.write(b"something else entirely", 0)
    with pytest.raises(OSError, match="no queue of this version"):
        log.append([b"x"])
    with pytest.raises(OSError, match="no queue of this version"):
        log.take(1)


def test_says_when_the_file_was_cut(log: MessageLog) -> None:
    """A file that is shorter than its header says raises OSError."""
    log.append([b"x" * 100_000])
    log._file.truncate(5_000)
    with pytest.raises(OSError, match="damaged from outside"):
        log.take(1)


def test_a_full_disk_leaves_the_log_as_it_was(
    log: MessageLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that fails raises OSError, and nothing was put."""
    log.append([b"before"])

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(portable_log.SharedFile, "write", fail)
        with pytest.raises(OSError, match="space"):
            log.append([b"lost"])
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("step", range(1, 5))
@pytest.mark.parametrize("operation", ["append", "take", "finish_task", "compact"])
def test_a_death_at_any_write_is_all_or_nothing(operation: str, step: int) -> None:
    """Killed before any write of an operation, the log is as before it or as after it."""
    log = MessageLog(10, counts_tasks=True)
    log.append([b"one", b"two" * 30_000, b"three"])
    if operation == "compact":
        log.append([b"b" * 20 * MIB, b"rest"])
        log.take(3)
    before = log.header()
    child = os.fork()
    if child == 0:
        _die_at_write(log, step)
        {
            "append": lambda: log.append([b"four", b"5" * 100_000]),
            "take": lambda: log.take(2),
            "finish_task": log.finish_task,
            "compact": lambda: log.take(1),
        }[operation]()
        os._exit(0)
    os.waitpid(child, 0)
    after = log.header()
    assert after.put - before.put in (0, 2)
    assert after.taken - before.taken in (0, 1, 2)
    assert before.unfinished - after.unfinished in (0, 1, -2)
    left = log.take(100)
    assert len(left) == after.put - after.taken
    assert set(left) <= {b"one", b"two" * 30_000, b"three", b"four", b"5" * 100_000} | {
        b"b" * 20 * MIB,
        b"rest",
    }
    assert log.empty()
    assert not log.ready.wait(0)
    assert log.append([b"usable"])[1] == 1
    assert log.ready.wait(0)
    assert log.take(1) == [b"usable"]
    log.close()


def _die_at_write(log: MessageLog, step: int) -> None:
    """Arrange for SIGKILL in place of this process's next write but ``step - 1``."""
    left = step
    originals: Any = (os.pwrite, os.write, os.read, os.ftruncate)

    def counted(original: Any) -> Any:
        def call(*args: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args)

        return call

    os.write, os.read, os.ftruncate = (counted(original) for original in originals[1:])
    module: Any = sys.modules["procession._engine.ipc.portable_file"]
    module._write_at = counted(originals[0])


def test_another_door_of_the_same_process_does_not_lose_the_lock(log: MessageLog) -> None:
    """Closing one descriptor of the file while a thread works through another keeps the lock."""
    other = MessageLog.__new__(MessageLog)
    other.__setstate__(_duplicate(log))
    rounds = 300

    def put(target: MessageLog) -> None:
        for _ in range(rounds):
            target.append([b"x"])

    def open_and_close() -> None:
        for _ in range(50):
            third = MessageLog.__new__(MessageLog)
            third.__setstate__(_duplicate(log))
            third.close()

    threads = [threading.Thread(target=put, args=(each,)) for each in (log, other)]
    threads.append(threading.Thread(target=open_and_close))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert log.header().put == 2 * rounds
    assert len(log.take(10 * rounds)) == 2 * rounds
    other.close()


class _Duplicates:
    """Stands for descriptors on their way: those of the same process, duplicated."""

    def __init__(self, *descriptors: int) -> None:
        self._descriptors = descriptors

    def take(self) -> tuple[int, ...]:
        return tuple(map(os.dup, self._descriptors))


def _duplicate(log: MessageLog) -> dict[str, object]:
    file = portable_log.SharedFile.__new__(portable_log.SharedFile)
    file.__setstate__(_Duplicates(log._file._descriptor))  # type: ignore[arg-type]
    ready = portable_log.Gate.__new__(portable_log.Gate)
    ready.__setstate__(_Duplicates(log.ready._reader, log.ready._writer))  # type: ignore[arg-type]
    return {"_file": file, "ready": ready, "room": None, "idle": None}


def test_claim_numbers_are_checked(log: MessageLog) -> None:
    """A claim beyond the table raises ValueError and takes nothing."""
    log.append([b"x"])
    for claim in (-1, portable_log.CLAIMS):
        with pytest.raises(ValueError, match="does not exist"):
            log.take(1, claim)
    assert log.take(1, 0) == [b"x"]
    assert pickle.dumps(log.read_claim(0)) == pickle.dumps((0, 1))
