"""The processes that belong to a test run, read from /proc.

A process is of the family when it descends from this one, or when it is an orphan of our
process group: its parent, one of us, has died and the kernel gave it to init.  That second
half finds workers that outlive a killed parent.  Without /proc the family is what the
standard library knows of.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "in the kernel",
    "I": "idle",
    "T": "stopped",
    "t": "traced",
}


@dataclass(frozen=True)
class Process:
    """One process at one moment; (pid, started) tells it from later ones of the same pid."""

    pid: int
    parent: int
    group: int
    state: str
    started: int

    def state_word(self) -> str:
        """Return the state for people."""
        return STATES.get(self.state, "ended, but nobody has collected its exit code")

    def has_ended(self) -> bool:
        """Tell whether only the exit code is left."""
        return self.state in "ZX"

    def command_line(self) -> str:
        """Return the command line, as far as it can still be read."""
        try:
            raw = (PROC / str(self.pid) / "cmdline").read_bytes()
        except OSError:
            return "gone"
        return raw.replace(b"\0", b" ").decode(errors="replace").strip() or "[no command line]"

    def kill(self) -> None:
        """Send SIGKILL; collecting the exit code is left to whoever started the process."""
        current = _read(self.pid)
        if current is None or current.started != self.started:
            return  # gone, and the pid may be somebody else's by now
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, signal.SIGKILL)


def family() -> dict[tuple[int, int], Process]:
    """Return every descendant of this process and every orphan of its process group."""
    everybody = {process.pid: process for process in _all_processes()}
    if not everybody:
        children = multiprocessing.active_children()
        ours = [Process(child.pid or 0, os.getpid(), 0, "R", 0) for child in children]
    else:
        ours = [process for process in everybody.values() if _is_ours(process, everybody)]
    return {(process.pid, process.started): process for process in ours}


def group_members(group: int) -> list[Process]:
    """Return the processes of a process group that have not ended."""
    return [each for each in _all_processes() if each.group == group and not each.has_ended()]


def is_mapped_by_others(path: Path) -> bool:
    """Tell whether a file of shared memory is in use by a program that is not of the family.

    Other programs of this machine may be at work at the same time.
    """
    relatives = {process.pid for process in family().values()} | {os.getpid()}
    others = (process.pid for process in _all_processes() if process.pid not in relatives)
    return any(_maps(pid, path) for pid in others)


def _is_ours(process: Process, everybody: dict[int, Process]) -> bool:
    ourselves = everybody.get(os.getpid())
    if ourselves is None or process == ourselves:
        return False
    if ourselves in _ancestors(process, everybody):
        return True
    if process.group != ourselves.group or process.has_ended():
        return False  # an orphan that has ended is for init to collect, in its own time
    # What a shell started beside us is in our group too, but below the same parent as we are.
    return _first_of_group(process, everybody) != _first_of_group(ourselves, everybody)


def _ancestors(process: Process, everybody: dict[int, Process]) -> list[Process]:
    found: list[Process] = []
    parent = everybody.get(process.parent)
    while parent is not None and parent not in found:
        found.append(parent)
        parent = everybody.get(parent.parent)
    return found


def _first_of_group(process: Process, everybody: dict[int, Process]) -> Process:
    """Return the eldest ancestor, or the process itself, of the same process group."""
    kin = [process, *_ancestors(process, everybody)]
    return [relative for relative in kin if relative.group == process.group][-1]


def _maps(pid: int, path: Path) -> bool:
    with suppress(OSError):
        if str(path) in (PROC / str(pid) / "maps").read_text(errors="replace"):
            return True
    return False


def _all_processes() -> Iterator[Process]:
    try:
        names = os.listdir(PROC)
    except OSError:
        return
    for name in names:
        if name.isdigit():
            process = _read(int(name))
            if process is not None:
                yield process


def _read(pid: int) -> Process | None:
    """Return the process, or None when it is gone."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold anything; what follows the last one is regular.
    values = stat.rpartition(")")[2].split()
    state, parent, group, started = values[0], int(values[1]), int(values[2]), int(values[19])
    return Process(pid, parent, group, state, started)
