"""What travels into a child, and what the child does before it becomes the process.

The standard library's launchers take a process object, carry it over, and call its
``_bootstrap`` there.  We hand them a departure in its place: it carries the process and
two descriptors, and its ``_bootstrap`` does our part and then calls the process's own,
which tools like coverage replace and must find in use.
"""

from __future__ import annotations

import os
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any

from procession._engine.ipc.inheritance import weaken_unreachable
from procession._engine.process.executor import serve_executors
from procession._engine.process.lifeline import end_with
from procession._engine.process.main_module import NameAndMore
from procession._engine.process.report import ReportFile, watch_arrival, watch_run
from procession._engine.wire import pickler
from procession._engine.wire.main_module import MAIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess


class Luggage:
    """The descriptors that a child is given: where to report, and its parent's lifeline.

    It is pickled before the process, so that in the child it is there, and reports,
    when the process itself cannot be unpickled.
    """

    def __init__(
        self, report_fd: int, lifeline_fd: int, end_watch: Callable[[], None] | None = None
    ) -> None:
        self.report_fd = report_fd
        self.lifeline_fd = lifeline_fd
        self.end_watch = end_watch
        """Ends the watch over the unpickling; None in a forked child, where there is none."""

    def __reduce__(self) -> tuple[Callable[..., Luggage], tuple[Any, Any, bool]]:
        handles = reduction.DupFd(self.report_fd), reduction.DupFd(self.lifeline_fd)
        return _unpack, (*handles, MAIN.is_importable())


def _unpack(report_handle: Any, lifeline_handle: Any, has_main: bool) -> Luggage:
    """In a spawned child: take over the descriptors and begin to report."""
    if not has_main:
        MAIN.be_absent()
    report_fd, lifeline_fd = report_handle.detach(), lifeline_handle.detach()
    for fd in (report_fd, lifeline_fd):
        os.set_inheritable(fd, False)
    return Luggage(report_fd, lifeline_fd, watch_arrival(ReportFile(report_fd)))


def _arrive(luggage: Luggage, data: bytes) -> Departure:
    """In a spawned child: the luggage has been unpickled; the process is now."""
    return Departure(pickler.loads(data), luggage)


class Departure:
    """A process on its way into a child."""

    def __init__(self, process: BaseProcess, luggage: Luggage) -> None:
        self.process = process
        self.luggage = luggage
        serve_executors()
        if MAIN.before_start():
            pickler.know_classes_of_main()

    @property
    def _name(self) -> str:
        """Launchers that do not fork write it into the preparation data of the child."""
        MAIN.expect("spawn")
        return NameAndMore(self.process.name)

    def __reduce__(self) -> tuple[Callable[..., Departure], tuple[Luggage, bytes]]:
        # By value at once, not as a second try: descriptors may be promised to the child once.
        return _arrive, (self.luggage, pickler.by_value(self.process))

    def _bootstrap(self, parent_sentinel: int | None = None) -> int:
        """In the child: do our part, then run the process.  Returns the exit code."""
        luggage = self.luggage
        if luggage.end_watch is None:
            MAIN.be_forked()
            weaken_unreachable(self.process)
        else:
            luggage.end_watch()
        if parent_sentinel is not None:
            # Siblings may hold copies of the launcher's pipe; nobody else holds the lifeline.
            os.close(parent_sentinel)
        if self.process.daemon:
            end_with(luggage.lifeline_fd)
            if getattr(self.process, "may_have_children", False):
                self.process.allow_children()  # type: ignore[attr-defined]
        watch_run(self.process, ReportFile(luggage.report_fd))
        bootstrap: Callable[[int], int] = self.process._bootstrap  # type: ignore[attr-defined]  # noqa: SLF001
        return bootstrap(luggage.lifeline_fd)
