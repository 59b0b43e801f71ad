"""How much memory this process and its children hold, shared memory without a mapping included.

Private and shared pages come from the kernel's accounts of each process (proportional, so that
a page that two share counts once); memory of descriptors that nobody has mapped, from
the files themselves.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["family", "kib_of", "shared_kib"]


def kib_of(pid: int | str = "self") -> dict[str, int]:
    """Return a process's proportional sizes in KiB: all of it, and its shared memory alone."""
    found = {"Pss": 0, "Pss_Shmem": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0])
    return found


def family() -> int:
    """Return the KiB of this process and all its descendants."""
    return sum(kib_of(pid)["Pss"] for pid in _descendants(os.getpid()))


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            found += _descendants(int(child))
    return found


def shared_kib() -> int:
    """Return the KiB of anonymous files that this process has open: what memfd holds."""
    held = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if "memfd:" in str(entry.readlink()):
                status = entry.stat()
                held[status.st_ino] = status.st_blocks // 2
        except FileNotFoundError:
            continue
    return sum(held.values())
