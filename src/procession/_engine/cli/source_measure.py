"""The real work of the demo: read one Python source file, parse it, measure it.

A pure function of a path, so that any process may do it, and so that the
answers of a loop and of a pool can be compared for equality.
"""

from __future__ import annotations

import ast
import heapq
import signal
import sysconfig
import warnings
from pathlib import Path

from procession._engine.types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_KEPT = 5


class LongFunction(NamedTuple):
    """A function by its length, so that the greatest is the longest."""

    lines: int
    name: str
    path: str
    first_line: int


class SourceMeasure(NamedTuple):
    """What was found in one file; ``parsed`` is false where the text is not Python."""

    path: str
    lines: int
    functions: int
    classes: int
    longest: tuple[LongFunction, ...]
    parsed: bool


class Summary(NamedTuple):
    """The sums over many files."""

    files: int
    unparsed: int
    lines: int
    functions: int
    classes: int
    longest: tuple[LongFunction, ...]


def standard_library_root() -> Path:
    """Return the folder that the running Python's standard library stands in."""
    return Path(sysconfig.get_path("stdlib"))


def standard_library_files() -> list[str]:
    """Return the paths of all ``.py`` files of the running Python's standard library, sorted.

    Installed third-party packages, which live in a folder inside it, are left out.
    """
    root = standard_library_root()
    foreign = {"site-packages", "dist-packages"}
    found = (path for path in root.rglob("*.py") if path.is_file())
    return sorted(str(path) for path in found if foreign.isdisjoint(path.parts[len(root.parts) :]))


def measure_source(path: str) -> SourceMeasure:
    """Parse a file and count what is in it.

    Args:
        path: a Python source file.

    Returns:
        Its measure; a file that is no valid Python (the library's tests contain
        some on purpose) counts its lines only.

    Raises:
        OSError: when the file cannot be read.
    """
    source = Path(path).read_bytes()
    lines = len(source.splitlines())
    try:
        with warnings.catch_warnings():
            # Odd escapes and comparisons in the library's tests are not our subject.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return SourceMeasure(path, lines, 0, 0, (), parsed=False)
    functions, classes = [], 0
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions.append(_long_function(node, path))
        elif isinstance(node, ast.ClassDef):
            classes += 1
    longest = tuple(heapq.nlargest(LONGEST_KEPT, functions))
    return SourceMeasure(path, lines, len(functions), classes, longest, parsed=True)


def leave_interrupts_to_the_parent() -> None:
    """Begin a worker: Ctrl-C goes to every process of a terminal; one of them shall answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def summarise(measures: Sequence[SourceMeasure]) -> Summary:
    """Return the sums over all files and the longest functions of all."""
    functions = (function for measure in measures for function in measure.longest)
    return Summary(
        files=len(measures),
        unparsed=sum(not measure.parsed for measure in measures),
        lines=sum(measure.lines for measure in measures),
        functions=sum(measure.functions for measure in measures),
        classes=sum(measure.classes for measure in measures),
        longest=tuple(heapq.nlargest(LONGEST_KEPT, functions)),
    )


def _long_function(node: ast.FunctionDef | ast.AsyncFunctionDef, path: str) -> LongFunction:
    last = node.end_lineno or node.lineno
    return LongFunction(last - node.lineno + 1, node.name, path, node.lineno)
