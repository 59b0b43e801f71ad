"""A gate: open or shut for every process at once, and something to wait at.

A gate is a pipe; it is open while a byte lies in it, so "open" is what ``select``, asyncio and
``multiprocessing.connection.wait`` call readable, and any number of processes may wait without
taking anything.  Gates are opened and shut under the lock of the thing whose state they show,
opened *before* the state is committed and shut *after*: a process killed in between leaves a
gate open that should be shut, never the reverse.  Who comes through such a gate finds
nothing, shuts it under the lock, and waits again.
"""

from __future__ import annotations

import os
import select
import sys
import weakref
from multiprocessing import connection

from procession._engine.ipc.waiting import milliseconds
from procession._engine.wire.descriptors import SharedDescriptors, share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Gate"]

if sys.platform == "win32":

    class Gate:
        """Open or shut for every process; made shut."""

        def __init__(self) -> None:
            self._reader, self._writer = connection.Pipe(duplex=False)

        def open(self) -> None:
            """Let everyone through until it is shut."""
            if not self._reader.poll(0):
                self._writer.send_bytes(b"\0")

        def shut(self) -> None:
            """Let nobody through until it is opened."""
            while self._reader.poll(0):
                self._reader.recv_bytes()

        def wait(self, timeout: float | None) -> bool:
            """Wait, at most ``timeout`` seconds, until it is open; says whether it is."""
            return self._reader.poll(timeout)

        def fileno(self) -> int:
            """Something to wait for in ``multiprocessing.connection.wait``."""
            return self._reader.fileno()

        def waitable(self) -> Any:
            """What ``multiprocessing.connection.wait`` takes."""
            return self._reader

        def close(self) -> None:
            """Close this process's descriptors."""
            self._reader.close()
            self._writer.close()

else:

    class Gate:
        """Open or shut for every process; made shut."""

        def __init__(self) -> None:
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            os.set_blocking(writer, False)
            self._attach(reader, writer)

        def _attach(self, reader: int, writer: int) -> None:
            self._reader = reader
            self._writer = writer
            self._close = weakref.finalize(self, _close_both, reader, writer)
            self._close.atexit = False

        def __getstate__(self) -> SharedDescriptors:
            """The descriptors, packed for another process."""
            return share((self._reader, self._writer))

        def __setstate__(self, state: SharedDescriptors) -> None:
            """Attach to the gate that another process handed over."""
            self._attach(*state.take())

        def open(self) -> None:
            """Let everyone through until it is shut."""
            try:  # noqa: SIM105  # quicker than a context manager, for each message
                os.write(self._writer, b"\0")
            except BlockingIOError:  # full, so it is open already
                pass

        def shut(self) -> None:
            """Let nobody through until it is opened."""
            try:
                while len(os.read(self._reader, 4096)) == 4096:
                    pass
            except BlockingIOError:  # empty, so it is shut already
                pass

        def wait(self, timeout: float | None) -> bool:
            """Wait, at most ``timeout`` seconds, until it is open; says whether it may be."""
            poll = select.poll()
            poll.register(self._reader, select.POLLIN)
            return bool(poll.poll(milliseconds(timeout)))

        def fileno(self) -> int:
            """A descriptor that is readable while the gate is open."""
            return self._reader

        def close(self) -> None:
            """Close this process's descriptors."""
            self._close()


def _close_both(reader: int, writer: int) -> None:
    os.close(reader)
    os.close(writer)
