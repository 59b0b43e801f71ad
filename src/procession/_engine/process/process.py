"""Process: the standard library's object; its rules hold under ``python -O``, its errors help.

Current process, parent and children are the standard library's own registry, so
``multiprocessing.active_children()`` knows our processes, and tools that replace
``BaseProcess._bootstrap`` reach them.  Where the standard library asserts, we raise the
same AssertionError ourselves.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing import context as std
from multiprocessing import process as std_process
from multiprocessing.process import BaseProcess, current_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from procession._engine.types import Target


class Shadowable:
    """A property that an instance may shadow with an attribute of its own.

    Many programs have a subclass of Process that writes ``self.exception = ...``; a
    property would refuse the assignment.
    """

    def __init__(self, read: Callable[[Any], object]) -> None:
        self._read = read
        self.__doc__ = read.__doc__

    def __get__(self, instance: object | None, owner: type) -> object:
        """Read the value for an instance; the class gives this object."""
        return self if instance is None else self._read(instance)


class CheckedProcess(BaseProcess):
    """What our process classes share, whatever their start method."""

    if TYPE_CHECKING:
        _popen: Any
        _config: dict[str, Any]
        _parent_pid: int
        _name: str
        exception: BaseException | None

        def _check_closed(self) -> None: ...

    may_have_children = False
    """Whether this process, although daemonic, may start processes (see docs/design/process.md).

    Set before ``start()``.  For workers of a pool: daemonic children of theirs end when they end.
    """

    _stays_daemon = False
    """Set by ``allow_children``."""

    begins_deaf = False
    """Whether it is started with SIGINT blocked, and unblocks that itself when it is ready.

    Set before ``start()``.  For workers of a pool, which have a handler of their own.
    """

    def __init__(
        self,
        group: None = None,
        target: Target | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        if group is not None:
            raise AssertionError(
                f"group argument must be None: process groups do not exist, got {group!r}"
            )
        super().__init__(None, target, name, args, kwargs or {}, daemon=daemon)

    def start(self) -> None:
        """Start the child.

        Raises AssertionError when it was started before, belongs to another process, or
        the current process is daemonic and so may not have children.
        """
        self._check_closed()
        if self._popen is not None:
            raise AssertionError(
                f"cannot start a process twice: {self!r} was started; make a new Process object"
            )
        if self._parent_pid != os.getpid():
            raise AssertionError(self._foreign("started"))
        parent: Any = std_process._current_process  # type: ignore[attr-defined]  # noqa: SLF001  # no call
        if parent._config.get("daemon"):  # noqa: SLF001
            raise AssertionError(
                f"daemonic processes are not allowed to have children: {parent.name!r} is"
                f" daemonic and cannot start {self.name!r}; make the outer one with daemon=False"
            )
        super().start()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the child has ended, at most ``timeout`` seconds (None: for ever)."""
        self._check_closed()
        if self._parent_pid != os.getpid():
            raise AssertionError(self._foreign("joined"))
        if self._popen is None:
            raise AssertionError(f"can only join a started process: call start() on {self!r} first")
        super().join(timeout)

    def is_alive(self) -> bool:
        """Return whether the process runs: started, and not ended."""
        self._check_closed()
        if self is not current_process() and self._parent_pid != os.getpid():
            raise AssertionError(self._foreign("tested"))
        return super().is_alive()

    def terminate(self) -> None:
        """Ask the child to end: SIGTERM."""
        self._check_started("terminate")
        super().terminate()

    def kill(self) -> None:
        """End the child: SIGKILL."""
        self._check_started("kill")
        super().kill()

    def interrupt(self) -> None:
        """Interrupt the child as Ctrl-C does: SIGINT, KeyboardInterrupt in its main thread."""
        self._check_started("interrupt")
        self._popen.interrupt()

    @property
    def name(self) -> str:
        """The name, for people: need not be unique."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str):
            # The type that the standard library raises.
            raise AssertionError(f"name must be a string, got {name!r}")  # noqa: TRY004
        self._name = name

    @property
    def daemon(self) -> bool:
        """Whether the child ends with its parent; it may not have children then."""
        return bool(self._stays_daemon or self._config.get("daemon", False))

    @daemon.setter
    def daemon(self, daemonic: bool) -> None:
        if self._popen is not None:
            raise AssertionError(
                f"process has already started: daemon must be set before start() of {self!r}"
            )
        self._config["daemon"] = daemonic

    def allow_children(self) -> None:
        """In the child: let this daemonic process start processes, and still say daemon."""
        self._stays_daemon = self.daemon
        self._config["daemon"] = False

    @Shadowable  # type: ignore[no-redef]
    def exception(self) -> BaseException | None:
        """The exception that ended the child, its traceback there as ``__cause__``.

        None before the end, after success, and where the child ended without an exception
        (``sys.exit``, a signal): look at ``exitcode``.  A ``RemoteError`` with the type's
        name, text and traceback where the exception itself does not pickle.
        """
        self._check_closed()
        failure: BaseException | None = getattr(self._popen, "exception", None)
        return failure

    def _check_started(self, action: str) -> None:
        self._check_closed()
        if self._popen is None:
            raise AttributeError(f"cannot {action} {self!r}: it is not started; call start() first")

    def _foreign(self, action: str) -> str:
        return (
            f"{self._name!r} can only be {action} by the process that made it, pid"
            f" {self._parent_pid}, not by pid {os.getpid()}"
        )


class _Launchers(dict):  # type: ignore[type-arg]  # of strings to what launches
    """Those that were used: an import that finds its module loaded touches pages, too."""

    def __missing__(self, method: str) -> Callable[[Any], Any]:
        # A spawned child imports this module, and has no use for launchers until it starts a child.
        from procession._engine.process.launchers import launcher_of  # noqa: PLC0415

        launcher = self[method] = launcher_of(method)
        return launcher


_launchers = _Launchers()


class Process(CheckedProcess, std.Process):
    """A child process, started by the program's start method (``set_start_method``)."""

    __module__ = "procession.context"

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802  # the standard library's name
        return _launchers[multiprocessing.get_start_method()](process_obj)


class SpawnProcess(CheckedProcess, std.SpawnProcess):
    """A child process in a new interpreter."""

    __module__ = "procession.context"

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802  # the standard library's name
        return _launchers["spawn"](process_obj)


if sys.platform != "win32":

    class ForkProcess(CheckedProcess, std.ForkProcess):
        """A child process that begins as a copy of this one."""

        __module__ = "procession.context"

        @staticmethod
        def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802  # as above
            return _launchers["fork"](process_obj)

    class ForkServerProcess(CheckedProcess, std.ForkServerProcess):
        """A child process forked from a server that was started for this."""

        __module__ = "procession.context"

        @staticmethod
        def _Popen(process_obj: BaseProcess) -> Any:  # noqa: N802  # as above
            return _launchers["forkserver"](process_obj)
