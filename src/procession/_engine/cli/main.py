"""The command line's front: which subcommands there are, and what every one of them shares.

A subcommand is a module with ``NAME``, ``SUMMARY``, ``configure(parser)`` and
``run(arguments) -> exit code``; it is added by naming it in ``COMMANDS``.
What is the same for all stands here: the version, Ctrl-C, and a reader that
goes away (``procession demo | head``).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys

from procession._engine.cli import demo, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Command(Protocol):
        """What a module must offer to be a subcommand."""

        NAME: str
        SUMMARY: str

        def configure(self, parser: argparse.ArgumentParser) -> None:
            """Declare the arguments of the command."""

        def run(self, arguments: argparse.Namespace) -> int:
            """Do the work; return the exit code."""


COMMANDS: tuple[Command, ...] = (demo, run)

ENVIRONMENT = """\
environment, for every program that uses procession:
  PROCESSION_TRANSPORT  native: messages through shared memory, or an error;
                        portable: pure Python; unset: native where it works
  PROCESSION_DEBUG      1: say on stderr what is done, and with which transport
"""

# What a shell reports for a program that ended by SIGINT, and by SIGPIPE.
INTERRUPTED = 130
READER_GONE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments without the program's name; ``None`` takes ``sys.argv``.

    Returns:
        The exit code: 0 for success, 1 for a failure that the command has
        explained, 130 after Ctrl-C, 141 when the reader of the output is gone.

    Raises:
        SystemExit: with code 2 for arguments that make no sense, 0 for ``--help`` and
            ``--version``, as argparse does.
    """
    arguments = build_parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        return READER_GONE
    except KeyboardInterrupt:
        print("procession: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line, subcommands included."""
    parser = argparse.ArgumentParser(
        prog="procession",
        description="Pool, Process, Queue and Pipe, as in multiprocessing: faster, and nobody\n"
        "waits for the dead.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"procession {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        subparser = commands.add_parser(
            command.NAME, help=command.SUMMARY, description=command.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        command.configure(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def _version() -> str:
    try:
        return importlib.metadata.version("procession")
    except importlib.metadata.PackageNotFoundError:
        return "(from a source tree that is not installed)"


def _silence_stdout() -> None:
    # The interpreter flushes stdout once more as it ends; into a pipe without a
    # reader that would print a second error.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
