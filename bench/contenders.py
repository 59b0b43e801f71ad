"""The contenders, in one place: what each is called, what it offers, how it is loaded.

A contender whose package is not installed is left out of a run, with a line that says so.
What it offers is written as words that cases ask for (`Case.needs`).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CONTENDERS", "Contender"]

METHODS = frozenset({"process.fork", "process.spawn", "process.forkserver"})
POOL_STARTS = frozenset({"pool.start.fork", "pool.start.spawn", "pool.start.forkserver"})
POOL = frozenset(
    {"pool.map", "pool.chunks", "pool.imap", "pool.unordered", "pool.async", "pool.apply"}
)
WHOLE = METHODS | POOL | POOL_STARTS | {"queue", "pipe", "wait", "memory", "pool.threads"}


@dataclass(frozen=True)
class Contender:
    """Somebody who takes part."""

    name: str
    title: str
    module: str
    offers: frozenset[str]
    distribution: str | None = None
    """The package that has its version; None for Python's own."""
    environment: Mapping[str, str] = field(default_factory=dict)
    in_short_form: bool = True
    """Whether the short form asks for it where a case names it."""

    def load(self) -> Any:
        """Import and return its main module."""
        return importlib.import_module(self.module)

    @property
    def is_installed(self) -> bool:
        """Whether it can take part here."""
        try:
            return importlib.util.find_spec(self.module) is not None
        except ModuleNotFoundError:
            return False

    @property
    def version(self) -> str:
        """The version that is installed."""
        if self.distribution is None:
            return platform.python_version()
        return importlib.metadata.version(self.distribution)


_ALL = (
    Contender(
        "procession",
        "procession",
        "procession",
        WHOLE | {"many", "unbounded_alive"},
        "procession",
        {"PROCESSION_TRANSPORT": "native"},
    ),
    Contender("stdlib", "multiprocessing", "multiprocessing", WHOLE | {"many", "unbounded_alive"}),
    Contender(
        "stdlib_simple",
        "multiprocessing's SimpleQueue",
        "multiprocessing",
        frozenset({"queue"}),
    ),
    Contender(
        "faster_fifo", "faster-fifo", "faster_fifo", frozenset({"queue", "many"}), "faster-fifo"
    ),
    Contender(
        "billiard",
        "billiard",
        "billiard",
        (POOL | METHODS | {"queue", "pipe", "wait", "pool.start.fork"}) - {"process.forkserver"},
        "billiard",
    ),
    Contender(
        "multiprocess",
        "multiprocess",
        "multiprocess",
        METHODS | POOL | {"queue", "pipe", "wait", "pool.start.fork"},
        "multiprocess",
    ),
    Contender(
        "futures",
        "concurrent.futures",
        "concurrent.futures",
        POOL | POOL_STARTS,
    ),
    Contender("loky", "loky", "loky", POOL | {"pool.start.spawn"}, "loky"),
    Contender(
        "joblib",
        "joblib",
        "joblib",
        frozenset({"pool.map", "pool.chunks", "pool.unordered", "pool.imap"}),
        "joblib",
    ),
    Contender("mpire", "mpire", "mpire", POOL | {"pool.start.fork"}, "mpire"),
    Contender("pebble", "pebble", "pebble", POOL | {"pool.start.fork"}, "Pebble"),
    Contender("ray", "Ray's Pool", "ray", POOL | {"pool.start.spawn"}, "ray"),
    Contender(
        "dask",
        "Dask",
        "distributed",
        frozenset({"pool.map", "pool.chunks", "pool.async", "pool.apply", "pool.start.spawn"}),
        "distributed",
    ),
    Contender(
        "portable",
        "procession, portable transport",
        "procession",
        POOL | {"queue", "pipe"},
        "procession",
        {"PROCESSION_TRANSPORT": "portable"},
    ),
)

CONTENDERS = {contender.name: contender for contender in _ALL}
"""Name -> contender, in the order of the report's columns."""
