"""What a child of the warm server does before it is what its parent asked for.

It waits to be needed, if it was forked ahead, takes over the descriptors of the request, and
runs once its parent knows it.  Its end is told by the server, or by itself when that is gone.
"""

from __future__ import annotations

import contextlib
import os
import select
from multiprocessing import forkserver, resource_tracker

from procession._engine.lifecycle import file_identity
from procession._engine.process import warm_wire
from procession._engine.process.warm_client import SERVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any, BinaryIO, ClassVar

    from procession._engine.process.warm_wire import Request

__all__ = ["Status", "give_back", "is_committed", "take_over", "tracker", "wait_for_request"]


def wait_for_request(channel: socket.socket) -> Request | None:
    """In a spare: wait to be needed; None where it will not be."""
    with channel:
        return warm_wire.receive(channel)


class Status:
    """In a child: the pipe that tells its end, which the server writes into while it lives."""

    of_this_process: ClassVar[Status | None] = None

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._identity = file_identity(fd)
        Status.of_this_process = self

    def tell(self, code: int) -> None:
        """Say the exit code."""
        with contextlib.suppress(OSError):
            if self._fd >= 0 and file_identity(self._fd) == self._identity:
                warm_wire.tell(self._fd, code)

    def close(self) -> None:
        """Give the pipe up, unless the program has put another file under its number."""
        fd, self._fd = self._fd, -1
        with contextlib.suppress(OSError):
            if fd >= 0 and file_identity(fd) == self._identity:
                os.close(fd)


def _close_in_grandchild() -> None:
    """A grandchild must not keep the end of this child from being seen."""
    if Status.of_this_process is not None:
        Status.of_this_process.close()


if hasattr(os, "register_at_fork"):  # no server runs elsewhere, but the module is imported
    os.register_at_fork(after_in_child=_close_in_grandchild)


def take_over(request: Request) -> None:
    """In the child: put the descriptors of the request where they are looked for."""
    for fd, given in ((1, request.stdout), (2, request.stderr)):
        if given is None:
            os.close(fd)
        else:
            os.dup2(given, fd)
            os.close(given)
    SERVER.adopt(request.control)
    if tracker()._fd is not None:  # noqa: SLF001  # one of the server's own, then
        os.close(tracker()._fd)  # noqa: SLF001
    tracker()._fd, tracker()._pid = request.tracker, None  # noqa: SLF001
    forkserver._forkserver._inherited_fds = request.fds  # type: ignore[attr-defined]  # noqa: SLF001


def give_back() -> None:
    """Be as before ``take_over``, but for the descriptors 1 and 2."""
    SERVER.disown()
    os.close(tracker()._fd)  # noqa: SLF001
    tracker()._fd = None  # noqa: SLF001
    forkserver._forkserver._inherited_fds = None  # type: ignore[attr-defined]  # noqa: SLF001


def is_committed(stream: BinaryIO, alive: int, status: Status) -> bool:
    """Wait until the parent knows us.

    It never will if the server ended before it told: the parent waits for the end of file of
    a pipe that we hold as well.  So we give that up when the server is gone: ``alive``, which is
    closed here, tells it.
    """
    os.set_blocking(stream.fileno(), False)
    poller = select.poll()
    poller.register(stream, select.POLLIN)
    poller.register(alive, select.POLLIN)
    while (byte := stream.read(1)) is None:
        if alive in {fd for fd, _ in poller.poll()}:
            status.close()
            poller.unregister(alive)
    os.close(alive)
    return byte == warm_wire.COMMIT


def tracker() -> Any:
    """Return the standard library's object that knows the way to the resource tracker."""
    return resource_tracker._resource_tracker  # noqa: SLF001
