"""What travels into a child.

The standard library's launchers take a process object, carry it over, and call its
``_bootstrap`` there.  We hand them a departure in its place: it carries the process and
two descriptors, and its ``_bootstrap`` does our part (``child.py``) and then calls the process's
own, which tools like coverage replace and must find in use.
"""

from __future__ import annotations

import sys
from multiprocessing import reduction

from procession._engine.ipc.inheritance import REGISTER, weaken_unreachable
from procession._engine.process import child
from procession._engine.process.executor import serve_executors
from procession._engine.process.main_module import NameAndMore
from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess
    from typing import Any

    from procession._engine.process.reporting import ReportFile


def before_start() -> None:
    """In the parent, whatever the method."""
    serve_executors()
    if MAIN.before_start():
        from procession._engine.wire import pickler  # noqa: PLC0415  # few forks need it

        pickler.know_classes_of_main()


class Luggage:
    """What a child that is no fork is given: where to report, and its parent's lifeline.

    It is pickled before the process, so that in the child it is there, and reports,
    when the process itself cannot be unpickled.
    """

    def __init__(self, report: ReportFile, lifeline_fd: int) -> None:
        self.report = report
        self.lifeline_fd = lifeline_fd

    def __reduce__(self) -> tuple[Callable[..., child.Arrival], tuple[Any, Any, bool]]:
        handles = reduction.DupFd(self.report.fd), reduction.DupFd(self.lifeline_fd)
        return child.unpack, (*handles, MAIN.is_importable())


class Departure:
    """A process on its way into a child."""

    def __init__(self, process: BaseProcess, report: ReportFile, lifeline_fd: int) -> None:
        self.process = process
        self.report = report
        self.lifeline_fd = lifeline_fd
        before_start()

    @property
    def _name(self) -> str:
        """Launchers that do not fork write it into the preparation data of the child."""
        MAIN.expect("spawn")
        return NameAndMore(self.process.name)

    def __reduce__(self) -> tuple[Callable[..., child.Arrival], tuple[Luggage, bytes]]:
        from procession._engine.wire import pickler  # noqa: PLC0415  # no fork needs it

        # By value at once, not as a second try: descriptors may be promised to the child once.
        luggage = Luggage(self.report, self.lifeline_fd)
        return child.arrive, (luggage, pickler.by_value(self.process))

    def _bootstrap(self, parent_sentinel: int | None = None) -> int:  # noqa: ARG002  # the lifeline tells
        """In a forked child: do our part, then run the process.  Returns the exit code."""
        if getattr(sys.modules.get("__main__"), "__file__", None) is None:
            MAIN.be_forked()
        if REGISTER:
            weaken_unreachable(self.process)
        return child.become(self.process, self.lifeline_fd, self.report)
