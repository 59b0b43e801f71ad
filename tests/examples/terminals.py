"""A terminal for a program under test: what it shows there, with its colours."""

from __future__ import annotations

import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from select import select
from typing import TYPE_CHECKING

from tests.waiting import HANG_GUARD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def run_on_terminal(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    columns: int = 80,
    interrupt_at: str | None = None,
) -> tuple[int, str]:
    """Run ``python *arguments`` on a terminal of its own; return (exit code, all it wrote).

    Once the pattern ``interrupt_at`` is found in the output, the program and all its
    children get a SIGINT, as from Ctrl-C.

    Raises:
        TimeoutError: the program did not end within a minute; it has been killed.
    """
    ours, theirs = pty.openpty()
    try:
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        program = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    try:
        text = _read_all(ours, program.pid, interrupt_at)
    except BaseException:
        os.killpg(program.pid, signal.SIGKILL)
        raise
    finally:
        os.close(ours)
        program.wait()
    return program.returncode, text


def _read_all(descriptor: int, group: int, interrupt_at: str | None) -> str:
    deadline = time.monotonic() + HANG_GUARD_SECONDS
    written = b""
    while True:
        ready, _, _ = select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"the program did not end; so far it wrote {written!r}")
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # EIO: nobody holds the terminal any longer
            piece = b""
        if not piece:
            return written.decode()
        written += piece
        if interrupt_at and re.search(interrupt_at, written.decode(errors="replace")):
            interrupt_at = None
            os.killpg(group, signal.SIGINT)


def shown_lines(text: str) -> list[str]:
    """Return the lines as they stand on the screen: no colours, and what was drawn over gone."""
    plain = ESCAPE.sub("", text).replace("\r\n", "\n")
    return [line.rsplit("\r", 1)[-1] for line in plain.split("\n")]
