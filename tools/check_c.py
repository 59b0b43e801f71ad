"""Check the C sources for the rules that a compiler does not know.

- A file of the core includes headers of its own level and of those below, never above.
- Memory orders are spelled in core/src/atomic.h alone.
- The system is called in core/src/os_*.c alone; every exception is listed with its reason.
- The core never sees Python; the binding sees of the core only its public header.
- Every C file stands in a meson.build.  No file and no function grows too long.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

LEVELS = (
    ("procession", "compiler"),
    ("status", "atomic", "kill_point"),
    ("os",),
    ("mutex", "event"),
    ("layout", "inbox", "header"),
    # Who is attached, what they hold, and where it lies: one subject in six files.
    ("segment", "hold", "peer", "arena", "warmth", "cells"),
    ("lane", "reclaim", "semaphore", "flag", "condition"),
    ("fill",),
    ("bell", "source"),
    ("queue", "channel"),
    ("waitset",),
)
"""Bottom to top.  ``lane_put.c`` belongs to ``lane``, ``os_linux_time.c`` to ``os``."""

LANGUAGE_HEADERS = {
    "assert.h",
    "errno.h",
    "inttypes.h",
    "limits.h",
    "stdalign.h",
    "stdarg.h",
    "stdbool.h",
    "stddef.h",
    "stdint.h",
    "stdio.h",
    "stdlib.h",
    "string.h",
}
"""C's own, and for everybody.  (<stdatomic.h> is not: it is for atomic.h.)"""

SYSTEM_HEADERS = {
    ("core/src/atomic.h", "stdatomic.h"): "the only place that spells a memory order",
    ("core/src/kill_point.c", "signal.h"): "kills the process itself, at the very instruction",
    ("core/src/kill_point.c", "unistd.h"): "the same",
    ("core/src/segment.c", "pthread.h"): "a lock among the threads of this process alone",
    ("core/src/mutex.c", "time.h"): "the deadline of a robust mutex is a timespec",
    ("core/src/mutex.h", "pthread.h"): "robust mutexes are the kernel's and glibc's contract",
    ("core/src/mutex_short_way.h", "pthread.h"): "the same",
    ("core/src/mutex_short_way.h", "linux/futex.h"): "the kernel's half of it",
}
"""Where a header other than the language's is included outside os_*.c, and why."""

LONGEST_FILE = 600
LONGEST_FUNCTION = 60

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")
FUNCTION = re.compile(r"^(?!typedef|struct|enum|union|static const)[A-Za-z_].*\)\s*\{$")


def level_of(name: str) -> int | None:
    """Return the level of a source or header of the core; None for one that has no place."""
    for number, modules in enumerate(LEVELS):
        if any(name == module or name.startswith(f"{module}_") for module in modules):
            return number
    return None


def check_core_file(path: Path, text: str) -> Iterator[str]:
    """Yield what is wrong with one source or header of core/src or core/include."""
    where = path.relative_to(ROOT).as_posix()
    own_level = level_of(path.stem)
    if own_level is None:
        yield f"{where}: has no level; give {path.stem!r} a place in LEVELS of tools/check_c.py"
        return
    for kind, header in INCLUDE.findall(text):
        if kind == "<":
            yield from check_system_header(where, path.name, header)
            continue
        level = level_of(Path(header).stem)
        if level is None or level > own_level:
            yield f"{where}: includes {header}, which is above it or unknown (see LEVELS)"
    code = COMMENT.sub("", text)
    if "memory_order" in code and path.name != "atomic.h":
        yield f"{where}: spells a memory order; use or add a named operation of atomic.h"


def check_system_header(where: str, name: str, header: str) -> Iterator[str]:
    """Yield a complaint if a file of the core may not include a header of the system."""
    if header in LANGUAGE_HEADERS or name.startswith("os_"):
        return
    if (where, header) not in SYSTEM_HEADERS:
        yield f"{where}: includes <{header}>; the system is called in os_*.c (see SYSTEM_HEADERS)"


def check_binding_file(path: Path, text: str) -> Iterator[str]:
    """Yield what is wrong with one file of the binding."""
    for kind, header in INCLUDE.findall(text):
        own = (path.parent / header).exists()
        if kind == '"' and not own and header != "procession.h":
            where = path.relative_to(ROOT)
            yield f"{where}: includes {header}; the core's public face is procession.h"


def check_text(path: Path, text: str) -> Iterator[str]:
    """Yield what is wrong with any C file: unfinished work and length."""
    where = path.relative_to(ROOT)
    lines = text.splitlines()
    if len(lines) > LONGEST_FILE:
        yield f"{where}: has {len(lines)} lines, more than {LONGEST_FILE}; split it by subject"
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            yield f"{where}:{number}: unfinished: {line.strip()}"
    for start, length in functions(lines):
        if length > LONGEST_FUNCTION:
            yield f"{where}:{start}: function of {length} lines, more than {LONGEST_FUNCTION}"


def functions(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield (line of the opening brace, number of lines) of each function.

    Bodies begin with a brace in column 0, or behind the parameters; they end with one in column 0.
    """
    start = 0
    for number, line in enumerate(lines, 1):
        if line == "{" or FUNCTION.match(line):
            start = number
        elif line == "}" and start:
            yield start, number - start + 1
            start = 0


def check_lists() -> Iterator[str]:
    """Yield the C files that no meson.build names."""
    for folder, listed_in, form in (
        ("core/src", "core/meson.build", "'src/{}.c'"),
        ("core/test", "core/test/meson.build", "'{}"),
        ("binding", "binding/meson.build", "'{}.c'"),
    ):
        listing = (ROOT / listed_in).read_text()
        for path in sorted((ROOT / folder).glob("*.c")):
            if form.format(path.stem) not in listing:
                yield f"{folder}/{path.name}: is not listed in {listed_in}"


def complaints() -> Iterator[str]:
    """Yield every broken rule, as a sentence with file and line."""
    for folder in ("core/include", "core/src", "core/test", "binding"):
        for path in sorted((ROOT / folder).glob("*.[ch]")):
            text = path.read_text()
            yield from check_text(path, text)
            if folder in ("core/include", "core/src"):
                yield from check_core_file(path, text)
            elif folder == "binding":
                yield from check_binding_file(path, text)
            if folder != "binding" and "Python.h" in text:
                yield f"{path.relative_to(ROOT)}: the core does not know Python"
    yield from check_lists()


def main() -> int:
    """Print the complaints; return 1 if there are any."""
    found = list(complaints())
    print("\n".join(found) if found else "C sources keep the rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
