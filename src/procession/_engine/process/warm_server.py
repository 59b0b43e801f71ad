"""The warm server: a process that has imported what children need, and forks them.

It is started with the parent's flags, path and main module, imports, freezes what it has (so
that no collection in a child touches and thereby copies it), and waits, in its only thread, for
requests and for the ends of its children.  A child is then one fork away from its first line,
however much memory its parent has.

SIGINT is blocked here, not ignored: Ctrl-C must not end the server, and one that is sent to a
child before its time waits there until the child has its parent's signal mask.

What a child does until it is its parent's is in warm_child.py.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import importlib
import os
import pickle
import select
import signal
import socket
import sys
from multiprocessing import process, spawn, util

from procession._engine.process import circumstances, warm_wire
from procession._engine.process.warm_child import (
    Status,
    is_committed,
    take_over,
    tracker,
    wait_for_request,
)
from procession._engine.process.warm_main import NAME, PATH, MainModule, UnfitToFork
from procession._engine.process.warm_random import Generators
from procession._engine.process.warm_rehearsal import Rehearsal
from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any, BinaryIO, NoReturn

    from procession._engine.process.warm_wire import Request

ATEXIT_RUNS_IN_CHILDREN = sys.version_info >= (3, 13)
"""As of this version, children of every start method run what they registered with atexit."""


def main(start: BinaryIO, control_fd: int, tracker_fd: int, warmth: int) -> None:
    """Serve until the last client is gone; ``warmth`` is what to import beforehand."""
    data = pickle.load(start)
    _clear_main()
    tracker()._fd = tracker_fd  # noqa: SLF001
    util._close_stdin()  # type: ignore[attr-defined]  # noqa: SLF001
    # SIGPIPE: a main module may have given it back its deadly meaning.
    signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGINT, signal.SIGPIPE})
    main_module, generators = MainModule(), Generators()
    try:
        _import_beforehand(data, main_module, warmth)
    except UnfitToFork:
        _begin_anew(start.fileno(), control_fd, tracker_fd)
    generators.look()
    start.close()
    os.set_inheritable(control_fd, False)
    # Children are given the way to the tracker.  Held here, it would keep the tracker running,
    # and the program waiting that stops its tracker, until this server ends.
    tracker()._fd = None  # noqa: SLF001
    os.close(tracker_fd)
    _let_go_of_output()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=control_fd) as control:
        Server(control, main_module, generators, data).serve()


def _clear_main() -> None:
    """Take away what our start left in ``__main__``: children find it empty, and may fill it."""
    namespace = vars(sys.modules["__main__"])
    for name in [name for name in namespace if not name.startswith("__") or name == "__file__"]:
        del namespace[name]
    namespace["__spec__"] = None


def _import_beforehand(data: dict[str, Any], main_module: MainModule, warmth: int) -> None:
    with _with_a_parent():
        for name in data["ours"]:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    if warmth == warm_wire.NOTHING:
        return
    preparation, preload = data["preparation"], data["preload"]
    general = {key: preparation[key] for key in preparation if key not in (NAME, PATH)}
    spawn.prepare(general)
    if warmth == warm_wire.EVERYTHING and "__main__" in preload and data["main"] is not None:
        with _with_a_parent():
            main_module.load(preparation, data["main"])
    for name in preload:
        if name != "__main__":
            # Whoever needs it imports it again, and there the error is of use.
            with contextlib.suppress(Exception, SystemExit):
                importlib.import_module(name)


@contextlib.contextmanager
def _with_a_parent() -> Iterator[None]:
    """Let ``parent_process()`` be somebody, as in any child: modules ask that, main ones too."""
    registry: Any = process
    read, write = os.pipe()
    registry._parent_process = registry._ParentProcess("MainProcess", os.getppid(), read)  # noqa: SLF001
    try:
        yield
    finally:
        registry._parent_process = None  # noqa: SLF001
        os.close(read)
        os.close(write)


def _begin_anew(start_fd: int, control_fd: int, tracker_fd: int) -> None:
    """Replace this program by a server that leaves the main module alone; clients see no change."""
    _flush()
    os.lseek(start_fd, 0, os.SEEK_SET)
    command = warm_wire.command(start_fd, control_fd, tracker_fd, warm_wire.MODULES)
    os.execv(sys.executable, [*sys.orig_argv[:-1], command])  # noqa: S606  # no shell wanted


def _let_go_of_output() -> None:
    """Hold on to no pipe or terminal of the parent: every child is given the ones of its time."""
    _flush()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (1, 2):
        os.dup2(nowhere, fd)
    os.close(nowhere)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()


class Server:
    """The loop, and what it knows of its children."""

    def __init__(
        self,
        control: socket.socket,
        main_module: MainModule,
        generators: Generators,
        data: dict[str, Any],
    ) -> None:
        self._control = control
        self._generators = generators
        self._main_module = main_module
        self._pid = os.getpid()
        self._has_started = False
        self._statuses: dict[int, int] = {}
        """Pid of a child -> where its exit code is awaited."""
        self._environment: bytes = data["environment"]
        circumstances.adopt_environment(self._environment)
        self._rehearsal = Rehearsal(data["preparation"], self._environment)
        self._collects_garbage = gc.isenabled()
        self._spare: _Spare | None = None
        """A child forked ahead, parked until there is something to become."""
        self._alive, self._aliver = os.pipe()
        """Children see the end of this pipe when the server has ended."""
        self._wake, self._waker = os.pipe()
        for fd in (self._wake, self._waker):
            os.set_blocking(fd, False)
        self._on_child_before = signal.signal(signal.SIGCHLD, _note_nothing)
        signal.set_wakeup_fd(self._waker)

    def serve(self) -> None:
        """Start children and tell how they ended, until no client is left."""
        _freeze()
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wake, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll()}
            if self._wake in ready:
                os.read(self._wake, 1 << 16)
                self._collect()
            if self._control.fileno() in ready:
                request = warm_wire.receive(self._control)
                if request is None:
                    return
                self._start(request)
            if not poller.poll(0):
                self._park()

    def _collect(self) -> None:
        """Tell the exit codes of all children that have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._spare is not None and pid == self._spare.pid:
                self._drop_spare()
            fd = self._statuses.pop(pid, None)
            if fd is not None:
                warm_wire.tell(fd, os.waitstatus_to_exitcode(status))
                os.close(fd)

    def _start(self, request: Request) -> None:
        if request.uses_pool and warm_wire.POOL not in sys.modules:
            self._drop_spare()  # it lacks what is imported below
        if signal.SIGINT in signal.sigpending():
            # A Ctrl-C of some time ago, which the spare has kept as well: not for the new child.
            signal.sigtimedwait({signal.SIGINT}, 0)
            self._drop_spare()
        pid = self._hand_over(request)
        warm_wire.tell(request.status, pid)
        # The parent was woken on this very processor, as a rule, and the child waits for its word:
        # both would wait for the next fork.
        os.sched_yield()
        fds = request.descriptors()
        if pid > 0:
            self._has_started = True
            self._statuses[pid] = request.status
            fds.remove(request.status)
        for fd in fds:
            os.close(fd)
        if request.uses_pool and warm_wire.POOL not in sys.modules:
            importlib.import_module(warm_wire.POOL)
            _freeze()

    def _hand_over(self, request: Request) -> int:
        """Give a request to the spare or to a new child; return its pid, or an error number < 0."""
        spare, self._spare = self._spare, None
        if spare is not None:
            with spare.channel, contextlib.suppress(OSError):
                warm_wire.send(spare.channel, request)
                return spare.pid
            # Killed while it waited: its end is collected like any other.
        try:
            pid = os.fork()
        except OSError as error:
            return -(error.errno or errno.EAGAIN)
        if pid == 0:
            self._become(lambda: request)
        return pid

    def _park(self) -> None:
        """Have a spare, once there has been a first child, for whoever comes next."""
        if self._spare is None and self._has_started:
            with contextlib.suppress(OSError):  # no room: then the next child is forked for itself
                self._spare = self._fork_ahead()

    def _drop_spare(self) -> None:
        """Let the spare go: it reads the end of file, and ends."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.channel.close()

    def _fork_ahead(self) -> _Spare:
        """Fork a child that waits for a request."""
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            try:
                pid = os.fork()
            except OSError:
                mine.close()
                raise
            if pid == 0:
                mine.close()
                self._become(lambda: self._rehearse_and_wait(its))
        return _Spare(pid, mine)

    def _rehearse_and_wait(self, channel: socket.socket) -> Request | None:
        self._rehearsal.play(channel)
        return wait_for_request(channel)

    def _become(self, get_request: Callable[[], Request | None]) -> NoReturn:
        """In the child: be no server any more, get a request, run the process, and end."""
        code = 1
        status: Status | None = None
        try:
            self._leave()
            request = get_request()
            if request is None:  # the server is gone, or has imported more since
                os._exit(0)
            status = Status(request.status)
            take_over(request)
            code = self._run(request.data, status)
        except Exception:  # noqa: BLE001  # as at the top of any program
            sys.excepthook(*sys.exc_info())
            _flush()
        finally:
            if ATEXIT_RUNS_IN_CHILDREN:
                atexit._run_exitfuncs()  # noqa: SLF001
            if status is not None and os.getppid() != self._pid:
                # Nobody collects us any more: say it ourselves.
                status.tell(code)
            os._exit(code)

    def _leave(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, self._on_child_before)
        self._control.close()
        for fd in (self._wake, self._waker, self._aliver, *self._statuses.values()):
            os.close(fd)
        if ATEXIT_RUNS_IN_CHILDREN:
            atexit._clear()  # noqa: SLF001
            atexit.register(util._exit_function)  # type: ignore[attr-defined]  # noqa: SLF001
        if self._collects_garbage:
            gc.enable()

    def _run(self, data: int, status: Status) -> int:
        """Become what the parent says; return the exit code."""
        me: Any = process.current_process()
        with open(data, "rb") as stream:
            here = circumstances.Circumstances(*pickle.load(stream))
            if self._main_module.keep_or_forget(here.main):
                self._generators.separate()
            circumstances.adopt(here, self._environment)
            me._inheriting = True  # noqa: SLF001  # nothing that is imported now may start processes
            try:
                spawn.prepare(pickle.load(stream))
                departure: Any = pickle.load(stream)
            finally:
                del me._inheriting  # noqa: SLF001
            if not is_committed(stream, self._alive, status):
                return 1  # our parent is gone, or has asked another server
        code: int = departure._bootstrap(None)  # noqa: SLF001
        return code


class _Spare(NamedTuple):
    """A child that waits for a request, and where to send it."""

    pid: int
    channel: socket.socket


def _freeze() -> None:
    """Have no collection look at what exists now: looking is copying, in each child."""
    gc.enable()
    gc.collect()
    gc.disable()
    gc.freeze()


def _note_nothing(number: int, frame: FrameType | None) -> None:
    """Be called at SIGCHLD, so that the wake-up descriptor is written."""
