"""What client and warm server say to each other.

A request is one message on a socket pair, which keeps messages whole: any number of threads and
processes may send on the same end.  It carries descriptors, and a byte that tells which.  What
the child is to become follows in a pipe of its own, as it may be large, and ends with ``COMMIT``
once the parent knows the child: a child that was forked by a server which died before it said so
never runs, and the parent may ask another server.

The answer comes through a pipe of its own too, the sentinel: the pid, or the error number made
negative, then, at the end, the exit code; each as the standard library writes signed numbers.
"""

from __future__ import annotations

import array
import contextlib
import socket
from multiprocessing import forkserver

from procession._engine.types import NamedTuple

COMMIT = b"\n"

NOTHING, MODULES, EVERYTHING = range(3)
"""What a server imports beforehand: nothing but procession; what was asked for, but the main
module; that too.  Less where more has failed."""

POOL = "procession._engine.pool.pool"
"""What only some children need, and takes a while to import."""

_COMMAND = (
    "import marshal,sys;"
    "file=open({start},'rb');"
    "sys.path[:]=marshal.load(file);"
    "from procession._engine.process.warm_server import main;"
    "main(file,{control},{tracker},{warmth})"
)

MOST_DESCRIPTORS = 253
"""As many as the kernel hands over with one message."""

_FIXED = 4
_HAS_STDOUT, _HAS_STDERR, _HAS_POOL = 1, 2, 4


def command(start: int, control: int, tracker: int, warmth: int) -> str:
    """Return what the interpreter of a server runs, given these descriptors."""
    return _COMMAND.format(start=start, control=control, tracker=tracker, warmth=warmth)


class Request(NamedTuple):
    """The descriptors of a start, and what the parent has loaded."""

    status: int
    """Where the server writes pid and exit code."""
    data: int
    """Where the child reads what it is to become."""
    control: int
    """The client's end of the socket pair, for the child to start children of its own."""
    tracker: int
    """The way to the resource tracker, one for the whole program."""
    stdout: int | None
    stderr: int | None
    fds: list[int]
    """What was promised to the child."""
    uses_pool: bool
    """Whether the parent has our pool, so that the children may well be its workers."""

    def descriptors(self) -> list[int]:
        """All of them, in the order of the message."""
        optional = [fd for fd in (self.stdout, self.stderr) if fd is not None]
        return [self.status, self.data, self.control, self.tracker, *optional, *self.fds]


def send(control: socket.socket, request: Request) -> None:
    """Send a request, whole.

    Raises ValueError where it has more descriptors than the kernel hands over at once, and
    OSError where the server is gone.
    """
    fds = request.descriptors()
    if len(fds) > MOST_DESCRIPTORS:
        raise ValueError(
            f"too many descriptors to hand to a child: {len(fds)}, and the kernel hands over at"
            f" most {MOST_DESCRIPTORS}; give the process fewer queues, pipes and locks, or use a"
            " context of 'spawn' or 'fork'"
        )
    flags = (
        _HAS_STDOUT * (request.stdout is not None)
        | _HAS_STDERR * (request.stderr is not None)
        | _HAS_POOL * request.uses_pool
    )
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
    control.sendmsg([bytes([flags])], [rights], socket.MSG_NOSIGNAL)


def receive(control: socket.socket) -> Request | None:
    """Wait for a request; None where all clients are gone."""
    room = socket.CMSG_SPACE(MOST_DESCRIPTORS * array.array("i").itemsize)
    body, ancillary, _, _ = control.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC)
    if not body:
        return None
    received = array.array("i")
    for _, _, rights in ancillary:
        received.frombytes(rights)
    flags, fds = body[0], list(received)
    status, data, client, tracker = fds[:_FIXED]
    rest = fds[_FIXED:]
    stdout = rest.pop(0) if flags & _HAS_STDOUT else None
    stderr = rest.pop(0) if flags & _HAS_STDERR else None
    uses_pool = bool(flags & _HAS_POOL)
    return Request(status, data, client, tracker, stdout, stderr, rest, uses_pool)


def tell(fd: int, number: int) -> None:
    """Write a number of the answer.  A client that has vanished needs none."""
    with contextlib.suppress(BrokenPipeError):
        forkserver.write_signed(fd, number)
