"""Run a program in an interpreter of its own, and check that it leaves nothing running.

The program gets a process group of its own.  When it does not end in time, or ends and
leaves a process of the group behind, the group is killed and the test fails with what the
program printed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.processes import group_members


@dataclass(frozen=True)
class Outcome:
    """How a program ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


class ProgramError(AssertionError):
    """A program hung, failed, or left processes behind."""

    def __init__(self, what: str, stdout: str, stderr: str) -> None:
        super().__init__(f"{what}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")


def run_program(
    arguments: Sequence[str],
    *,
    cwd: Path,
    timeout: float = 60.0,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    check: bool = True,
) -> Outcome:
    """Run ``python *arguments`` in the folder ``cwd``.

    Args:
        arguments: What follows the interpreter on the command line.
        cwd: The program's working folder.
        timeout: Seconds after which the program counts as hung.
        env: Variables set in addition to ours.
        stdin: Text for the program's standard input; None gives it an empty one.
        check: Whether an exit code other than 0 is an error.

    Returns:
        The exit code and what was printed.

    Raises:
        ProgramError: The program hung, left a process behind, or (with ``check``) failed.
    """
    program = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = program.communicate(stdin or "", timeout=timeout)
        hung = False
    except subprocess.TimeoutExpired:
        _kill_group(program.pid)
        stdout, stderr = program.communicate()
        hung = True
    except BaseException:
        _kill_group(program.pid)
        program.communicate()
        raise
    if hung:
        raise ProgramError(f"{arguments} did not end within {timeout} s", stdout, stderr)
    left = _wait_until_alone(program.pid, patience=10.0)
    if left:
        _kill_group(program.pid)
        raise ProgramError(f"{arguments} left behind: {'; '.join(left)}", stdout, stderr)
    if check and program.returncode != 0:
        raise ProgramError(f"{arguments} exited with {program.returncode}", stdout, stderr)
    return Outcome(program.returncode, stdout, stderr)


def _wait_until_alone(group: int, patience: float) -> list[str]:
    """Wait until the group has no member; return those that are there in the end."""
    deadline = time.monotonic() + patience
    members = group_members(group)
    while members and time.monotonic() < deadline:
        time.sleep(0.01)
        members = group_members(group)
    return [f"process {member.pid}: {member.command_line()}" for member in members]


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
