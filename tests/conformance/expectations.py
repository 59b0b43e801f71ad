"""Which of CPython's tests we do not mean to pass, each for a written reason.

``expected.json`` is a list of reasons, and under each the tests that it explains: patterns of
``suite/Class.test`` as the shell knows them, for the Python versions given (all, without).
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from procession._engine.ipc import transport

KINDS = ("difference", "private", "standard library")
"""Why a test may fail: we differ on purpose, it looks at internals, it fails there as well."""


@dataclass(frozen=True)
class Expectation:
    """One reason and the tests that it explains."""

    kind: str
    reason: str
    tests: tuple[str, ...]
    since: tuple[int, ...] = (3, 10)
    until: tuple[int, ...] = (3, 99)
    sometimes: bool = False
    """Whether a test may pass as well: it fails by chance, or under one start method."""
    transport: str | None = None
    """The only transport for which this holds: "native" or "portable"."""
    run: bool = True
    """False for what would wait for ever."""

    def explains(self, test_id: str) -> bool:
        """Whether the failure of this test, ``suite/Class.test``, is expected."""
        here = sys.version_info[:2]
        if self.transport not in (None, transport.NAME):
            return False
        return self.since <= here <= self.until and any(
            fnmatchcase(test_id, pattern) for pattern in self.tests
        )

    def hangs(self, test_id: str) -> bool:
        """Whether this test is not to be run."""
        return not self.run and self.explains(test_id)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def read(path: Path | None = None) -> list[Expectation]:
    """Read the list."""
    path = path or Path(__file__).with_name("expected.json")
    return [
        Expectation(
            kind=entry["kind"],
            reason=entry["reason"],
            tests=tuple(entry["tests"]),
            since=_version(entry.get("since", "3.10")),
            until=_version(entry.get("until", "3.99")),
            sometimes=entry.get("sometimes", False),
            transport=entry.get("transport"),
            run=entry.get("run", True),
        )
        for entry in json.loads(path.read_text(encoding="utf-8"))
    ]
