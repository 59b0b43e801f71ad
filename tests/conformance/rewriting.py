"""The running interpreter's own tests, made to test procession, in a temporary folder.

Every ``multiprocessing`` that stands as a word in their text becomes ``procession``, in code as
in the programs that they hold as strings: ``import multiprocessing.pool``, ``mp.Pool`` after
``import multiprocessing as mp``, ``'multiprocessing.shared_memory'``.  The test modules
import one another as ``test.…``; in their copies that is a package of our own.  Helpers of
``test.support`` stay as they are.

Nothing is copied into our sources, and the interpreter is not changed: the copies live in a
temporary folder with a virtual environment of its own, whose ``.pth`` file names that folder
and the folders of procession.  So programs that the tests start see both, ``python -I`` too.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import procession

PACKAGE = "conformance_of_cpython"
"""The package that holds the copies."""

SHARED = "_test_multiprocessing"
METHODS = ("fork", "spawn", "forkserver")
MAIN_HANDLING = "test_multiprocessing_main_handling"
EXECUTORS = "test_concurrent_futures"

_THE_PACKAGE = re.compile(r"\bmultiprocessing\b(?! pool'| is used)")
_A_SIBLING = re.compile(rf"\btest(?=\.({SHARED}|test_multiprocessing_\w+|{EXECUTORS})\b)")
_SIBLING_FROM = re.compile(rf"\bfrom test import (?=({SHARED}|test_multiprocessing_\w+)\b)")

_GENERATED = """\
from test import support

import {package}.{shared} as shared

if support.PGO:
    raise support.unittest.SkipTest("not for PGO")
shared.install_tests_in_module_dict(globals(), {method!r})
"""


def rewritten(text: str, *, package: str = "procession") -> str:
    """Return the text of a test module with ``package`` in the place of ``multiprocessing``."""
    text = _A_SIBLING.sub(PACKAGE, text)
    text = _SIBLING_FROM.sub(f"from {PACKAGE} import ", text)
    return _THE_PACKAGE.sub(package, text)


def standard_tests() -> Path | None:
    """The folder of the running interpreter's tests; None where it has none."""
    spec = importlib.util.find_spec("test")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)))
    return folder if (folder / f"{SHARED}.py").exists() else None


def write_suites(source: Path, folder: Path, package: str) -> dict[str, list[str]]:
    """Write the copies of the tests in ``source`` below ``folder``.

    Returns the modules of each suite: "fork", "spawn", "forkserver", "main" and "executors",
    those that the interpreter has.
    """
    home = folder / PACKAGE
    home.mkdir()
    (home / "__init__.py").touch()
    suites: dict[str, list[str]] = {}
    _copy(source / f"{SHARED}.py", home, package)
    for method in METHODS:
        name = f"test_multiprocessing_{method}"
        text = _GENERATED.format(package=PACKAGE, shared=SHARED, method=method)
        (home / f"{name}.py").write_text(text, encoding="utf-8")
        suites[method] = [f"{PACKAGE}.{name}"]
    if (source / f"{MAIN_HANDLING}.py").exists():
        _copy(source / f"{MAIN_HANDLING}.py", home, package)
        suites["main"] = [f"{PACKAGE}.{MAIN_HANDLING}"]
    executors = list(_copy_executors(source, home, package))
    if executors:
        suites["executors"] = executors
    return suites


def _copy_executors(source: Path, home: Path, package: str) -> Iterator[str]:
    """Copy the tests of executors, a file or (since 3.12) a folder; yield the modules."""
    if (source / f"{EXECUTORS}.py").exists():
        _copy(source / f"{EXECUTORS}.py", home, package)
        yield f"{PACKAGE}.{EXECUTORS}"
    elif (source / EXECUTORS).is_dir():
        (home / EXECUTORS).mkdir()
        for path in sorted((source / EXECUTORS).glob("*.py")):
            _copy(path, home / EXECUTORS, package)
            if path.stem.startswith("test_"):
                yield f"{PACKAGE}.{EXECUTORS}.{path.stem}"


def _copy(path: Path, folder: Path, package: str) -> None:
    text = path.read_text(encoding="utf-8")
    (folder / path.name).write_text(rewritten(text, package=package), encoding="utf-8")


def make_interpreter(folder: Path) -> Path:
    """Make a virtual environment below ``folder`` that sees ``folder`` and procession."""
    home = folder / "environment"
    builder = venv.EnvBuilder(symlinks=sys.platform != "win32", with_pip=False)
    places = builder.ensure_directories(home)
    builder.create(home)
    ours = Path(procession.__file__).resolve().parents[1]
    entries = [folder, ours, *(entry for entry in sys.path if entry.endswith("site-packages"))]
    site_packages = next(home.rglob("site-packages"))
    lines = "".join(f"{entry}\n" for entry in entries)
    (site_packages / "conformance.pth").write_text(lines, encoding="utf-8")
    return Path(places.env_exe)
