"""What a test must not leave behind: processes, shared memory, descriptors, threads.

An ``Inventory`` is taken before a test and compared with the state after it.  Ends are
often asynchronous (a child is collected, a last descriptor is dropped by a thread), so a
difference counts only when it is still there after a bounded wait.

Four things stay by design of the standard library, one of each: the resource tracker, the
fork server (with the child that ours keeps parked), the thread that hands descriptors to
unrelated processes, and (of ours) the lifeline.  ``_kept_by_design`` names them; nothing
else is forgiven.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_sharer, resource_tracker
from pathlib import Path
from typing import Any

from tests.processes import Process, family, is_mapped_by_others

SHARED_MEMORY = Path("/dev/shm")
OPEN_DESCRIPTORS = Path("/proc/self/fd")
NATIVE_THREADS = Path("/proc/self/task")


@dataclass(frozen=True)
class Inventory:
    """What exists at one moment, each thing under a key that is never used again."""

    processes: dict[tuple[int, int], Process] = field(default_factory=dict)
    shared_memory: frozenset[str] = frozenset()
    descriptors: dict[int, str] = field(default_factory=dict)
    threads: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """What is there for the whole run, once it has been needed."""

    pids: frozenset[int]
    descriptors: frozenset[int]
    threads: frozenset[int]


def take_inventory() -> Inventory:
    """Look at this process, its descendants and the system's shared memory."""
    multiprocessing.active_children()  # collects those that have ended
    return Inventory(
        processes=family(),
        shared_memory=_names_in(SHARED_MEMORY),
        descriptors=_open_descriptors(),
        threads=_threads(),
    )


def left_behind(before: Inventory, patience: float = 10.0) -> list[str]:
    """Return a sentence for each thing that is there now and was not before.

    Waits up to ``patience`` seconds for what is still on its way out.
    """
    deadline = time.monotonic() + patience
    pause = 0.005
    found = list(_differences(before, take_inventory()))
    while found and time.monotonic() < deadline:
        gc.collect()  # an object in a cycle holds its descriptors until it is collected
        time.sleep(pause)
        pause = min(2 * pause, 0.1)
        found = list(_differences(before, take_inventory()))
    return found


def end_left_processes(before: Inventory) -> None:
    """Kill the processes that a test left, so that the tests after it are not disturbed."""
    kept = _kept_by_design()
    for key, process in family().items():
        if key not in before.processes and process.pid not in kept.pids and not is_spare(process):
            process.kill()
    multiprocessing.active_children()


def _differences(before: Inventory, after: Inventory) -> Iterator[str]:
    kept = _kept_by_design()
    for key, process in after.processes.items():
        if key not in before.processes and process.pid not in kept.pids and not is_spare(process):
            yield f"process {process.pid} ({process.state_word()}): {process.command_line()}"
    for name in sorted(after.shared_memory - before.shared_memory):
        if not is_mapped_by_others(SHARED_MEMORY / name):
            yield f"shared memory: {SHARED_MEMORY / name}"
    for fd, target in after.descriptors.items():
        if fd not in kept.descriptors and before.descriptors.get(fd) != target:
            yield f"descriptor {fd}: {target}"
    for identity, name in after.threads.items():
        if identity not in before.threads and identity not in kept.threads:
            yield f"thread: {name}"


def is_spare(process: Process) -> bool:
    """Tell whether a process is the child that our fork server keeps parked for the next start.

    It has been given nothing yet: no output of its parent, and a socket to be told by.
    """
    warm: Any = sys.modules.get("procession._engine.process.warm_client")
    if warm is None or process.parent != warm.SERVER.pid:
        return False
    files = {}
    with suppress(OSError):
        folder = f"/proc/{process.pid}/fd"
        files = {int(name): os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}
    sockets = [file for file in files.values() if file.startswith("socket:")]
    return files.get(1) == files.get(2) == os.devnull and len(sockets) == 1


def _kept_by_design() -> Kept:
    tracker: Any = resource_tracker._resource_tracker
    server: Any = forkserver._forkserver
    sharer: Any = resource_sharer._resource_sharer
    # The tracker unlinks named semaphores and segments after a crash: one a program, to its end.
    pids, descriptors = {tracker._pid}, {tracker._fd}
    # The fork server is started by the first process that needs it, and serves to the end.
    pids.add(server._forkserver_pid)
    descriptors.add(server._forkserver_alive_fd)
    # Connections pickled into queues are fetched from one listening thread of the sender.
    listener = getattr(sharer._listener, "_listener", None)
    if listener is not None:
        descriptors.add(listener._socket.fileno())
    served = {sharer._thread.native_id} if getattr(sharer, "_thread", None) else set()
    # Our own: the pipe whose end of file tells all children that this process is gone.
    lifeline: Any = sys.modules.get("procession._engine.process.lifeline")
    if lifeline is not None and lifeline.LIFELINE._ends is not None:
        descriptors.update(lifeline.LIFELINE._ends)
    # Our own fork server, and the way to it.
    warm: Any = sys.modules.get("procession._engine.process.warm_client")
    if warm is not None:
        pids.add(warm.SERVER.pid)
        descriptors.add(warm.SERVER.fileno())
    return Kept(
        pids=frozenset(pids - {None}),
        descriptors=frozenset(descriptors - {None}),
        threads=frozenset(served - {None}),
    )


def _names_in(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()  # a system without it


def _open_descriptors() -> dict[int, str]:
    """Return number -> target; pipes and sockets have an inode in theirs, so a change shows."""
    found: dict[int, str] = {}
    with suppress(OSError):
        for name in os.listdir(OPEN_DESCRIPTORS):
            # The descriptor of this very listing is gone by now.
            with suppress(OSError):
                found[int(name)] = os.readlink(OPEN_DESCRIPTORS / name)
    return found


def _threads() -> dict[int, str]:
    """Return kernel thread -> name, of Python's threads and of those that C code started."""
    python = {thread.native_id: thread.name for thread in threading.enumerate()}
    found = {native: name for native, name in python.items() if native is not None}
    with suppress(OSError):
        for name in os.listdir(NATIVE_THREADS):
            with suppress(OSError):
                what = (NATIVE_THREADS / name / "comm").read_text().strip()
                found.setdefault(int(name), f"{what} (native thread {name}, not Python's)")
    return found
