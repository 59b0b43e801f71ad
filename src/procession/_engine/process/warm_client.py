"""The parent's end of a warm server: start it when first needed, ask it for children.

The server is reached through a socket pair that has no name: only this process, and children
that the server forked for it, hold the client's end.  When the last of them is gone, however it
went, the server reads the end of file and goes too.  A child forked in another way gives its
copy back first thing, and starts a server of its own should it need one.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import pickle
import select
import signal
import socket
import sys
import threading
import weakref
from multiprocessing import forkserver, resource_tracker, spawn, util

from procession._engine.lifecycle import at_fork, file_identity
from procession._engine.process import circumstances, warm_main, warm_wire
from procession._engine.process.reporting import anonymous_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

NAME_OF_SERVER = "ForkServer"
"""Of its ``current_process()``: a main module that asks must not take it for the main process."""

ATTEMPTS = 3
"""A server may be killed between two looks; so often in a row that it is no accident."""


class ServerGone(Exception):  # noqa: N818  # no error: the next server is asked
    """The server ended, and no child of this request runs or will run."""


class _Link:
    """The client's end to one server; closed when the last thread that uses it lets it go."""

    def __init__(self, control: socket.socket, pid: int | None) -> None:
        self.control = control
        self.pid = pid
        """Of the server; None where it is not our child, but an ancestor's."""
        self.answered = False
        """Whether it has ever started a child."""
        self._identity = file_identity(control.fileno())
        # Not a Finalize: programs and tests look through the standard registry of these.
        weakref.finalize(self, control.close).atexit = False

    def is_ours(self) -> bool:
        """Whether the number still means our socket: programs may close all descriptors."""
        try:
            return file_identity(self.control.fileno()) == self._identity
        except OSError:
            return False


class WarmServer:
    """The server of this process, started on first use and again when it has been killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._link: _Link | None = None
        self._spoilt = False
        """Whether what a server was to import beforehand has ended it."""
        at_fork(
            before=self._before_fork,
            after_in_parent=self._after_fork_in_parent,
            after_in_child=self._after_fork_in_child,
        )

    @property
    def pid(self) -> int | None:
        """Of the server that this process started, if it has."""
        link = self._link
        return None if link is None else link.pid

    def fileno(self) -> int | None:
        """The descriptor that leads to the server, while there is one."""
        link = self._link
        return None if link is None else link.control.fileno()

    def adopt(self, control: int) -> None:
        """In a child of the server: use the parent's server for children of its own."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=control)
        self._link = _Link(sock, None)
        self._link.answered = True

    def disown(self) -> None:
        """Give up what was adopted."""
        self._link = None

    def ensure_running(self, preparation: Mapping[str, Any] | None = None) -> None:
        """Start the server unless there is one; ``preparation`` as for a child."""
        self._running(preparation or spawn.get_preparation_data("forkserver"))

    def start_child(
        self, preparation: Mapping[str, Any], payload: memoryview, fds: list[int]
    ) -> tuple[int, int]:
        """Start a child; return its pid and the descriptor that tells its end.

        Raises ValueError for too many descriptors, OSError where the system has no room, and
        RuntimeError where one server after the other ends.
        """
        for _ in range(ATTEMPTS):
            link = self._running(preparation)
            try:
                return _ask(link, payload, fds)
            except ServerGone:
                self._forget(link)
        raise RuntimeError(
            f"the fork server ended {ATTEMPTS} times while it was asked for a child: is something"
            " killing it (memory limit, a supervisor)? Its exit status is in the system's log"
        )

    def _running(self, preparation: Mapping[str, Any]) -> _Link:
        with self._lock:
            link = self._link
            if link is None or not link.is_ours():
                if link is not None:
                    link.control.detach()
                warmth = warm_wire.NOTHING if self._spoilt else warm_wire.EVERYTHING
                link = self._link = _start(preparation, warmth)
            return link

    def _forget(self, link: _Link) -> None:
        """Drop a server that has ended, so that the next start makes a new one."""
        with self._lock:
            if self._link is link:
                self._link = None
                self._spoilt = self._spoilt or not link.answered
        _reap(link.pid)

    def _before_fork(self) -> None:
        self._lock.acquire()

    def _after_fork_in_parent(self) -> None:
        self._lock.release()

    def _after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        link, self._link = self._link, None
        if link is not None and link.is_ours():
            link.control.close()
        elif link is not None:
            link.control.detach()


def _reap(pid: int | None) -> None:
    if pid is not None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _start(preparation: Mapping[str, Any], warmth: int) -> _Link:
    """Start a server, with what it is to import."""
    tracker = _tracker()
    preload = getattr(forkserver._forkserver, "_preload_modules", None)  # noqa: SLF001
    start = {
        # The key travels on a file without a name; it refuses to be pickled as what it is.
        "preparation": {
            **preparation,
            "authkey": bytes(preparation["authkey"]),
            # Of its type: what a child does when it reads its name, the server does too.
            "name": type(preparation["name"])(NAME_OF_SERVER),
        },
        "preload": list(preload or ()),
        "main": warm_main.describe(preparation),
        "environment": circumstances.environment(),
        # What this process needed of us, its children are likely to need.
        "ours": [name for name in list(sys.modules) if name.startswith("procession.")],
    }
    start_fd = anonymous_file()
    client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with open(start_fd, "wb", closefd=False) as file:
            marshal.dump(preparation["sys_path"], file)
            pickle.dump(start, file)
            file.seek(0)
        command = warm_wire.command(start_fd, server.fileno(), tracker, warmth)
        pid = _spawn(command, [server.fileno(), start_fd, tracker])
    except BaseException:
        client.close()
        raise
    finally:
        server.close()
        os.close(start_fd)
    return _Link(client, pid)


def _spawn(command: str, fds: list[int]) -> int:
    """Start a Python with our flags, deaf to Ctrl-C from its first instruction."""
    executable: Any = os.fsencode(spawn.get_executable())
    arguments: list[Any] = [executable, *util._args_from_interpreter_flags(), "-c", command]  # type: ignore[attr-defined]  # noqa: SLF001
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return util.spawnv_passfds(executable, arguments, fds)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ask(link: _Link, payload: memoryview, fds: list[int]) -> tuple[int, int]:
    """Ask a server for a child.  Raises ServerGone where it has ended."""
    output = _if_open(1), _if_open(2)
    status, status_of_server = os.pipe()
    try:
        try:
            data_of_child, data = os.pipe()
        except OSError:
            os.close(status_of_server)
            raise
        with os.fdopen(data, "wb", buffering=0) as stream:
            try:
                _send(link, status_of_server, data_of_child, output, fds)
            finally:
                os.close(status_of_server)
                os.close(data_of_child)
            pid = _tell(stream, payload, status)
        link.answered = True
    except BaseException:
        os.close(status)
        raise
    return pid, status


def _send(
    link: _Link, status: int, data: int, output: tuple[int | None, int | None], fds: list[int]
) -> None:
    request = warm_wire.Request(
        status=status,
        data=data,
        control=link.control.fileno(),
        tracker=_tracker(),
        stdout=output[0],
        stderr=output[1],
        fds=fds,
        uses_pool=warm_wire.POOL in sys.modules,
    )
    try:
        warm_wire.send(link.control, request)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise ServerGone from error


def _tell(stream: Any, payload: memoryview, status: int) -> int:
    """Tell the child what to become; return its pid."""
    with contextlib.suppress(BrokenPipeError):  # killed already; its exit code will come
        while payload:
            payload = payload[stream.write(payload) :]
    try:
        pid: int = forkserver.read_signed(status)
    except EOFError as error:
        raise ServerGone from error
    if pid < 0:
        raise OSError(-pid, f"the fork server cannot fork: {os.strerror(-pid)}")
    with contextlib.suppress(BrokenPipeError):
        stream.write(warm_wire.COMMIT)
    return pid


def _tracker() -> int:
    """Return the descriptor of the resource tracker, which runs then.

    ``getfd()`` asks by a message whether it runs, and so wakes it: at each start one process more
    for the processors that parent, server and child need.  The pipe tells as well.
    """
    fd: Any = resource_tracker._resource_tracker._fd  # type: ignore[attr-defined]  # noqa: SLF001
    if fd is None or not _is_read(fd):
        fd = resource_tracker.getfd()
    return int(fd)


def _is_read(pipe: int) -> bool:
    """Whether somebody holds the reading end of a pipe."""
    poller = select.poll()
    poller.register(pipe, 0)
    return not poller.poll(0)


def _if_open(fd: int) -> int | None:
    try:
        os.fstat(fd)
    except OSError:
        return None
    return fd


SERVER = WarmServer()
