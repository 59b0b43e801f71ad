"""A child that must not outlive its parent.

Every process that starts children owns one pipe, its lifeline, and holds the only
write end of it.  Nothing is ever written.  When the process is gone, however it went,
the kernel closes that end, and whoever holds a read end is told.  Each child gets a
read end: all use it as the sentinel of their parent, and a daemonic child asks the
kernel to send it SIGKILL (``F_SETSIG`` on a descriptor with ``O_ASYNC``) in that moment.
No thread waits, no call polls, and a child that is stuck in C code ends too.

What we guarantee: the write end is not shared.  A hook of ``os.fork`` closes the copy in
every child, whoever forked it, and programs started by exec never get it.
What we gave up: ``PR_SET_PDEATHSIG`` would cost one call less, but it fires when the
*thread* that forked ends, and under forkserver it would watch the server.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading

from procession._engine.lifecycle import at_fork, file_identity

if sys.platform != "win32":
    import fcntl


class Lifeline:
    """The pipe of this process; made when first shared, forgotten in a forked child.

    All access to ``_ends`` is under ``_lock``, and a fork waits for that lock: no child
    can come to be between the making of the pipe and the note that it was made.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: tuple[int, int] | None = None
        self._identity = (0, 0)
        self._ours: tuple[int, ...] = ()
        """At a fork: the ends that the child has to close."""
        at_fork(
            before=self._before_fork,
            after_in_parent=self._lock.release,
            after_in_child=self._after_fork_in_child,
        )

    def share(self) -> int:
        """Return a new read end, for one child; the caller closes it."""
        with self._lock:
            if self._ends is None or not self._is_ours(self._ends[1]):
                # A program that closed all descriptors took ours along: begin anew.
                self._ends = os.pipe()
                self._identity = file_identity(self._ends[1])
            return os.dup(self._ends[0])

    def _is_ours(self, fd: int) -> bool:
        """Whether the number still means our pipe, and not a file opened since."""
        try:
            return file_identity(fd) == self._identity
        except OSError:
            return False

    def _before_fork(self) -> None:
        self._lock.acquire()
        # Looked at here: the parent has just done the same in share(), and what memory that
        # takes is a page to copy in a child.
        ours: tuple[int, ...] = self._ends or ()
        for fd in ours:
            if not self._is_ours(fd):
                ours = tuple(filter(self._is_ours, ours))
                break
        self._ours = ours

    def _after_fork_in_child(self) -> None:
        self._ends = None
        for fd in self._ours:
            os.close(fd)
        self._lock.release()  # this thread took it, before the fork


def end_with(parent_sentinel: int) -> None:
    """Make this process end, by SIGKILL, as soon as the parent of that sentinel is gone.

    Where the kernel cannot be asked to do it, a daemon thread waits for the parent.
    """
    try:
        _end_by_kernel(parent_sentinel)
    except (OSError, AttributeError):
        watcher = threading.Thread(
            target=_end_by_thread,
            args=(parent_sentinel,),
            name="procession-parent-watcher",
            daemon=True,
        )
        watcher.start()


def _end_by_kernel(lifeline: int) -> None:
    """Ask for SIGKILL at the end of file.  Raises OSError or AttributeError where unknown."""
    if sys.platform != "linux":
        raise AttributeError("F_SETSIG is a call of Linux")
    # The owner of a signal belongs to the open file, and copies of a descriptor share one
    # open file with all siblings: open the pipe once more to have our own.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    own = os.open(f"/proc/self/fd/{lifeline}", flags)
    try:
        fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(own, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(own, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    except OSError:
        os.close(own)
        raise
    # The parent may have died before we asked.  A descriptor opened after that does not
    # see the hang-up, the inherited one does.
    inherited = select.poll()
    inherited.register(lifeline, select.POLLIN)
    if inherited.poll(0):
        os.kill(os.getpid(), signal.SIGKILL)


def _end_by_thread(parent_sentinel: int) -> None:
    """Wait for the parent in this thread, then end the process."""
    from multiprocessing import connection  # noqa: PLC0415  # every daemonic child imports us

    connection.wait([parent_sentinel])
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


LIFELINE = Lifeline()
