"""What a child does before it becomes the process: the part of a start that every child imports.

So this file imports next to nothing: each line of an import is paid for at each start.
"""

from __future__ import annotations

import os

try:
    from _pickle import loads
except ImportError:
    from pickle import loads

from procession._engine.process.reporting import ReportFile, watch_arrival
from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess
    from typing import Any

__all__ = ["Arrival", "InheritedFd", "arrive", "become", "bind_to_parent", "unpack"]


class InheritedFd:
    """A descriptor that a child in a new interpreter has under the number of its parent."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def detach(self) -> int:
        """Return the descriptor."""
        return self.fd


class Arrival:
    """A process that is being unpickled, and then, in the place of the process, run."""

    def __init__(self, lifeline_fd: int, report: ReportFile) -> None:
        self._lifeline_fd = lifeline_fd
        self._report = report
        self._end_watch = watch_arrival(report)
        self._process: Any = None

    def receive(self, data: bytes) -> Arrival:
        """Unpickle the process; whatever that raises is reported to the parent."""
        self._process = loads(data)
        return self

    def _bootstrap(self, parent_sentinel: int | None = None) -> int:
        """Run the process, as launchers ask; return the exit code."""
        self._end_watch()
        if parent_sentinel is not None:
            # Siblings may hold copies of the launcher's pipe; nobody else holds the lifeline.
            os.close(parent_sentinel)
        return become(self._process, self._lifeline_fd, self._report)


def unpack(report_handle: Any, lifeline_handle: Any, has_main: bool) -> Arrival:
    """Take over the descriptors and begin to report."""
    if not has_main:
        MAIN.be_absent()
    report_fd, lifeline_fd = report_handle.detach(), lifeline_handle.detach()
    for fd in (report_fd, lifeline_fd):
        os.set_inheritable(fd, False)
    return Arrival(lifeline_fd, ReportFile(report_fd))


def arrive(arrival: Arrival, data: bytes) -> Arrival:
    """Go on once the descriptors are there: unpickle the process."""
    return arrival.receive(data)


def bind_to_parent(process: BaseProcess, lifeline_fd: int) -> None:
    """Let this daemonic child end with its parent; so it may have children, if it was allowed."""
    from procession._engine.process.lifeline import end_with  # noqa: PLC0415  # few are daemonic

    end_with(lifeline_fd)
    if getattr(process, "may_have_children", False):
        process.allow_children()  # type: ignore[attr-defined]


def become(process: BaseProcess, lifeline_fd: int, report: ReportFile) -> int:
    """Be the process, in any child; return the exit code."""
    if process.daemon:
        bind_to_parent(process, lifeline_fd)
    report.watch(process)
    bootstrap: Callable[[int], int] = process._bootstrap  # type: ignore[attr-defined]  # noqa: SLF001
    return bootstrap(lifeline_fd)
