"""What the workers of the pool's tests run.  Importable, so every start method finds it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

INITIALIZED: list[Any] = []


def double(value: Any) -> Any:
    return value * 2


def add(first: Any, second: Any = 1) -> Any:
    return first + second


def identity(value: Any) -> Any:
    return value


def pid_of_worker(_: object = None) -> int:
    return os.getpid()


def nap_and_tell_pid(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def raise_on(value: int, bad: int = 5) -> int:
    if value == bad:
        raise ValueError(f"bad value {value}")
    return value


def give_stop(left: int) -> int:
    if left == 0:
        raise StopIteration("nothing left")
    return left


def raise_on_two(value: int) -> int:
    return raise_on(value, 2)


class NeedsTwo(Exception):
    """Cannot be built from its args: unpickling it raises TypeError."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)
        self.second = second


class WithLambda(Exception):
    """Cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("has a lambda")
        self.function = lambda: None


def raise_unbuildable(_: object) -> NoReturn:
    raise NeedsTwo("one", "two")


def raise_unpicklable(_: object) -> NoReturn:
    raise WithLambda


def leave(code: int) -> NoReturn:
    sys.exit(code)


def interrupt(_: object) -> NoReturn:
    raise KeyboardInterrupt


def recurse(depth: int) -> int:
    return recurse(depth + 1)


def out_of_memory(_: object) -> NoReturn:
    raise MemoryError


def give_generator(_: object) -> Any:
    return (number for number in ())


class Unopenable:
    """Pickles; unpickling raises in whoever tries."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse_to_open, ()


def _refuse_to_open() -> NoReturn:
    raise LookupError("cannot be opened")


class Spiteful:
    """Raises an exception that ends programs, when it is pickled or when it is opened."""

    def __init__(self, kind: type[BaseException], opening: bool) -> None:
        self.kind = kind
        self.opening = opening

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.opening:
            raise self.kind("out of spite")
        return _raise, (self.kind,)


def _raise(kind: type[BaseException]) -> NoReturn:
    raise kind("out of spite")


def give_spiteful(task: tuple[type[BaseException], bool]) -> Spiteful:
    return Spiteful(*task)


class SpitefulText(Exception):
    """Raises what ends programs when somebody reads its text."""

    def __str__(self) -> str:
        raise SystemExit("out of spite")

    __repr__ = __str__


def raise_spiteful_text(_: object) -> NoReturn:
    raise SpitefulText


class UsesPool:
    """Calls a pool while it is opened in the process that has one."""

    pool: Any = None

    def __init__(self) -> None:
        self.found: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _use_pool, ()


def _use_pool() -> UsesPool:
    made = UsesPool()
    if UsesPool.pool is not None:
        made.found = UsesPool.pool.apply(double, (4,))
    return made


def give_pool_user(_: object) -> UsesPool:
    UsesPool.pool = None  # a forked worker has its parent's
    return UsesPool()


class Unpicklable:
    """Raises when it is pickled."""

    def __reduce__(self) -> NoReturn:
        raise RuntimeError("cannot be pickled")


def give_unopenable(_: object) -> Any:
    return Unopenable()


def remember(*values: Any) -> None:
    INITIALIZED.extend(values)


def remembered(_: object = None) -> list[Any]:
    return INITIALIZED


def fail_to_start() -> NoReturn:
    raise RuntimeError("this initializer fails")


def die_at_start() -> NoReturn:
    os._exit(7)


def die(_: object = None) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def exit_hard(code: int) -> NoReturn:
    os._exit(code)


def die_on_three(value: int) -> int:
    if value == 3:
        die()
    return value


def die_once(task: tuple[str, int]) -> int:
    """Die at the first attempt of the value that is named in the folder."""
    folder, value = task
    note_attempt(folder, value)
    if value == 3 and attempts(folder, value) == 1:
        die()
    return value


def note_attempt(folder: str, value: Any) -> None:
    with (Path(folder) / f"attempt-{value}").open("ab", buffering=0) as file:
        file.write(b"x")


def attempts(folder: str, value: Any) -> int:
    path = Path(folder) / f"attempt-{value}"
    return path.stat().st_size if path.exists() else 0


def note_and_wait(task: tuple[str, int, float]) -> int:
    folder, value, seconds = task
    note_attempt(folder, value)
    time.sleep(seconds)
    return value


def fork_and_wait(_: object) -> int:
    child = os.fork()
    if child == 0:
        os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def start_thread(_: object) -> int:
    done: list[int] = []
    thread = threading.Thread(target=done.append, args=(7,))
    thread.start()
    thread.join()
    return done[0]


def pool_within(values: list[int]) -> list[int]:
    method = multiprocessing.get_start_method()
    import procession

    with procession.get_context(method).Pool(2) as pool:
        return pool.map(double, values)


def is_daemon(_: object) -> bool:
    return multiprocessing.current_process().daemon


def change_signals(_: object) -> str:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return "changed"


def broken_if_seven(value: int) -> object:
    return Unopenable() if value == 7 else {value}


def set_if_even(value: int) -> object:
    return {value} if value % 2 == 0 else value


def fork_and_come_back(value: int) -> int:
    """Both the worker and its fork return from the task."""
    os.fork()
    return value


def fork_and_wait_for_what_comes_back(task: tuple[str, int]) -> int:
    """The forks of two tasks come back, one by an exception, and have ended when the task ends."""
    folder, value = task
    note_attempt(folder, value)
    if value in (3, 5):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        elif value == 5:
            raise ValueError(value)
    return value


def counting(stop: int, seen: list[int]) -> Iterator[int]:
    for value in range(stop):
        seen.append(value)
        yield value


def raising_after(good: int) -> Iterator[int]:
    yield from range(good)
    raise RuntimeError("the input ends badly")


def exiting_after(good: int) -> Iterator[int]:
    yield from range(good)
    raise SystemExit("the input exits")


def tiny_or_slow(value: int) -> int:
    if value == 40:
        time.sleep(3600)
    return value


def interrupt_self(_: object) -> str:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)
    return "not interrupted"


def add_to_last(block: bytearray, number: int) -> int:
    """Change what travelled with the function."""
    block[-1] = (block[-1] + number) & 255
    return block[-1]


def file_of_array(array: Any, place: int) -> tuple[float, str]:
    """An element, and the file whose memory the array lies in; "" for none."""
    address = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, _, _, _, _, *name = line.split(maxsplit=5)
        first, last = (int(end, 16) for end in span.split("-"))
        if first <= address < last:
            is_shared_file = "procession-shared" in "".join(name)
            return float(array[place]), f"{line.split()[4]}" if is_shared_file else ""
    return float(array[place]), ""


def add_to_array(array: Any, number: int) -> int:
    """Write to the array, and tell what is in it."""
    array += number
    return int(array[-1])


def last_of_array(array: Any) -> int:
    """The last element, read a little later."""
    time.sleep(0.01)
    return int(array[-1])


def shared_files() -> int:
    """How many files for what tasks share this process holds open."""
    folder = Path("/proc/self/fd")
    links = [os.readlink(entry) for entry in folder.iterdir() if entry.is_symlink()]
    return sum("procession-shared" in link for link in links)
