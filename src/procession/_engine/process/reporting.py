"""A child's end of the report to its parent: noticing that there is something to report.

Every child imports this, few fail: what writes the report (``report.py``) is imported then.
"""

from __future__ import annotations

import sys

from procession._engine.lifecycle import file_identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess
    from types import TracebackType
    from typing import Any


class ReportFile:
    """The file, as parent and child each know it.

    The identity is taken when the descriptor is fresh.  A program that closes all descriptors
    and opens its own under the same number must not find a report in its file.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._identity = file_identity(fd)

    def is_ours(self) -> bool:
        """Whether the number still means this file.  Raises OSError where it means none."""
        return file_identity(self.fd) == self._identity


def write(file: ReportFile, error: BaseException) -> None:
    """Leave this exception for the parent.  Never raises."""
    try:
        from procession._engine.process import report  # noqa: PLC0415  # few children fail
    except Exception:  # noqa: BLE001  # no room for one more descriptor: there is no report then
        return
    report.write(file, error)


def watch_run(process: BaseProcess, file: ReportFile) -> None:
    """In the child: have an exception that leaves ``process.run()`` reported.

    ``run`` is wrapped on the instance, as it may be overridden in any class, and only
    until it is called, so that the program's own code sees its object unchanged.
    """
    state = process.__dict__
    run: Callable[[], object] = process.run
    own = {"run": run} if "run" in state else {}

    def run_and_report() -> None:
        del state["run"]
        state.update(own)
        try:
            run()
        except SystemExit:
            raise
        except BaseException as error:
            write(file, error)
            raise

    state["run"] = run_and_report


def watch_arrival(file: ReportFile) -> Callable[[], None]:
    """In the child: have an exception reported that keeps it from becoming the process.

    A target that cannot be unpickled ends the interpreter before ``run``.  Returns the
    call that ends the watch.
    """
    previous: Callable[..., Any] = sys.excepthook

    def report_and_pass_on(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        write(file, error)
        previous(kind, error, trace)

    def stop() -> None:
        if sys.excepthook is report_and_pass_on:
            sys.excepthook = previous

    sys.excepthook = report_and_pass_on
    return stop
