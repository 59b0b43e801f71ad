"""What the workers of the tests of the pool's own features run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def wait_if_negative(value: int) -> int:
    """Never end for a negative value; it stands for a task that hangs."""
    if value < 0:
        time.sleep(3600)
    return value


def deaf_if_negative(value: int) -> int:
    """As above, and nothing but a kill ends it."""
    while value < 0:
        try:
            time.sleep(3600)
        except BaseException:  # noqa: S112  # deaf is what it is to be
            continue
    return value


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def note_pid_and_hang(path: str) -> None:
    """Leave the worker's pid in a file, one line an attempt, and never end."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(3600)


def note_and_nap(path: str, seconds: float) -> None:
    """Leave a character in a file when it begins."""
    with Path(path).open("a") as file:
        file.write("x")
    time.sleep(seconds)


def note_interrupt(path: str) -> None:
    """Wait to be interrupted, and tell of it, in a file."""
    try:
        Path(path).write_text("begun")
        time.sleep(3600)
    except KeyboardInterrupt:
        Path(path).write_text("interrupted")
        raise


def hang_deaf(path: str) -> None:
    """Tell that it has begun, and end by a kill only."""
    Path(path).write_text("begun")
    deaf_if_negative(-1)


def give_back(value: object) -> object:
    return value


class _Shut:
    """What pickles and does not unpickle."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return int, ("no number",)


def opens_nowhere() -> object:
    return _Shut()


def spoil_zero(value: int) -> object:
    return value or _Shut()


def die_first(path: str, value: int) -> int:
    """Kill the worker at the first attempt, which is known by a file."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def exit_if_negative(value: int) -> int:
    if value < 0:
        os._exit(7)
    return value


_kept: list[bytearray] = []


def keep_memory(size: int) -> tuple[int, int]:
    """Take memory for good; returns how many tasks of this worker have, and its pid."""
    _kept.append(bytearray(b"x") * size)
    return len(_kept), os.getpid()


def use_memory(size: int) -> int:
    """Take memory and give it back."""
    del (bytearray(b"x") * size)[:]
    return os.getpid()


class State:
    """What a worker builds once; it knows how often it was used."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.base = 1000
        self.used = 0

    def note(self, text: str) -> None:
        with Path(self.path).open("a") as file:
            file.write(text + "\n")


def make_state(path: str) -> State:
    state = State(path)
    state.note(f"made by {os.getpid()}")
    return state


def end_state(state: State) -> None:
    state.note(f"ended by {os.getpid()} after {state.used}")


def add_to_state(state: State, value: int, more: int = 0) -> int:
    return state.base + value + more


def count_in_state(state: State, _: int) -> tuple[int, int]:
    state.used += 1
    return os.getpid(), state.used


def nap_with_state(_: State, seconds: float) -> None:
    time.sleep(seconds)


def count_arguments(*arguments: object) -> int:
    return len(arguments)


def do_nothing() -> None:
    pass


def refuse(*_: object) -> None:
    raise PermissionError("refused")
