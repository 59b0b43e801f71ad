"""The demo's first half: small programs, each shown as it stands in its file, then run.

The files are whole programs (``programs/*.py``, the same as in ``examples/``).
Each runs in an interpreter of its own, as if a reader had typed ``python
pool_map.py``, and what it prints is shown line by line as it comes.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from procession._engine.cli.highlight import highlight
from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procession._engine.cli.terminal import Terminal

PROGRAMS = Path(__file__).with_name("programs")

# A program of the tour takes well under a second; one that takes this long hangs.
LONGEST_RUN_SECONDS = 60.0

PID = re.compile(r"(?<=\bpid )\d+")
PID_STYLES = ("bright_yellow", "bright_cyan", "bright_magenta", "bright_green", "bright_blue")


class Stop(NamedTuple):
    """One program of the tour."""

    file: str
    title: str


STOPS = (
    Stop("pool_map.py", "A Pool maps a function over a list"),
    Stop("process_hello.py", "A Process runs a function"),
    Stop("process_ids.py", "Who is who: parent and child"),
    Stop("queue_child.py", "A Queue brings objects back"),
    Stop("pipe_child.py", "A Pipe connects two processes"),
)


def show_tour(terminal: Terminal, start_method: str | None) -> bool:
    """Show and run every program; return whether all of them ended well.

    Args:
        terminal: where to.
        start_method: what the programs are told to use; ``None`` leaves them the default.
    """
    ended_well = True
    for number, stop in enumerate(STOPS, 1):
        terminal.heading(f"{number}. {stop.title}")
        path = PROGRAMS / stop.file
        for line in highlight(path.read_text(encoding="utf-8").rstrip(), terminal):
            terminal.line(line)
        terminal.line()
        arguments = [start_method] if start_method else []
        prompt = terminal.paint("$", "bold", "green")
        terminal.line(
            f"{prompt} {terminal.paint(' '.join(['python', stop.file, *arguments]), 'bold')}"
        )
        code = _run(path, arguments, terminal)
        if code:
            ended_well = False
            terminal.verdict(False, f"{stop.file} ended with exit code {code}")
        terminal.line()
    return ended_well


def _run(path: Path, arguments: list[str], terminal: Terminal) -> int:
    gutter = terminal.paint(terminal.glyphs.gutter, "dim")
    styles_by_pid: dict[str, str] = {}
    with _started([sys.executable, str(path), *arguments]) as (process, lines):
        for line in lines:
            terminal.line(f"{gutter} {_paint_pids(line.rstrip(), styles_by_pid, terminal)}")
    return process.returncode


def _paint_pids(line: str, styles_by_pid: dict[str, str], terminal: Terminal) -> str:
    """Give each process a colour of its own, so that the eye sees who is who."""

    def paint(match: re.Match[str]) -> str:
        pid = match.group()
        style = styles_by_pid.setdefault(pid, PID_STYLES[len(styles_by_pid) % len(PID_STYLES)])
        return terminal.paint(pid, "bold", style)

    return PID.sub(paint, line)


@contextmanager
def _started(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """Run a command; give the process and the lines of its output as they come.

    Whatever happens, it and its children are gone in the end.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=_environment(),
        start_new_session=True,
    )
    guard = threading.Timer(LONGEST_RUN_SECONDS, _kill_with_children, [process])
    guard.start()
    try:
        yield process, iter(process.stdout or ())
        process.wait()
    except BaseException:
        _kill_with_children(process)
        process.wait()
        raise
    finally:
        guard.cancel()
        if process.stdout is not None:
            process.stdout.close()


def _environment() -> dict[str, str]:
    """Return our environment, in which the programs import the procession that runs here."""
    home = str(Path(__file__).parents[3])
    others = os.environ.get("PYTHONPATH")
    path = f"{home}{os.pathsep}{others}" if others else home
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
    # Unbuffered, a line and its end are two writes, and the lines of two processes mix.
    environment.pop("PYTHONUNBUFFERED", None)
    return environment


def _kill_with_children(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        # The program leads a session of its own, so its pid names the whole group.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
    else:
        process.kill()
