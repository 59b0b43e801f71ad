"""The running interpreter's own tests, made to test procession, in a temporary folder.

Every ``multiprocessing`` that stands as a word in their text becomes ``procession``, in code as
in the programs that they hold as strings: ``import multiprocessing.pool``, ``mp.Pool`` after
``import multiprocessing as mp``, ``'multiprocessing.shared_memory'``.  The test modules
import one another as ``test.…``; in their copies that is a package of our own.  Helpers of
``test.support`` stay as they are.

Nothing is copied into our sources, and the interpreter is not changed: the copies live in a
temporary folder, beside a Python that has them and procession in its standard library.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "conformance_of_cpython"
"""The package that holds the copies."""

SHARED = "_test_multiprocessing"
METHODS = ("fork", "spawn", "forkserver")
MAIN_HANDLING = "test_multiprocessing_main_handling"
EXECUTORS = "test_concurrent_futures"
USERS = ("test_asyncio/test_unix_events", "test_fcntl", "test_genericalias", "test_logging")
"""Tests of other modules that use multiprocessing."""

_THE_PACKAGE = re.compile(r"\bmultiprocessing\b(?! pool'| is used)")
_SIBLING = rf"({SHARED}|test_multiprocessing_\w+|{EXECUTORS}|mp_\w+)\b"
_DOTTED_SIBLING = re.compile(rf"\btest(?=\.{_SIBLING})")
_RELATIVE = re.compile(r"\bfrom \. import ")
_SIBLING_FROM = re.compile(rf"\bfrom test import (?={_SIBLING})")

_GENERATED = """\
from test import support

import {package}.{shared} as shared

if support.PGO:
    raise support.unittest.SkipTest("not for PGO")
shared.install_tests_in_module_dict(globals(), {method!r})
"""


def rewritten(text: str, *, package: str = "procession") -> str:
    """Return the text of a test module with ``package`` in the place of ``multiprocessing``."""
    text = _DOTTED_SIBLING.sub(PACKAGE, text)
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

    Returns the modules of each suite: "fork", "spawn", "forkserver", "main", "executors" and
    "users", those that the interpreter has.
    """
    home = folder / PACKAGE
    home.mkdir()
    (home / "__init__.py").touch()
    suites: dict[str, list[str]] = {}
    for path in (source / f"{SHARED}.py", *source.glob("mp_*.py")):
        _copy(path, home, package)
    for method in METHODS:
        name = f"test_multiprocessing_{method}"
        text = _GENERATED.format(package=PACKAGE, shared=SHARED, method=method)
        (home / f"{name}.py").write_text(text, encoding="utf-8")
        suites[method] = [f"{PACKAGE}.{name}"]
    if (source / f"{MAIN_HANDLING}.py").exists():
        _copy(source / f"{MAIN_HANDLING}.py", home, package)
        suites["main"] = [f"{PACKAGE}.{MAIN_HANDLING}"]
    suites["executors"] = list(_copy_executors(source, home, package))
    suites["users"] = list(_copy_users(source, home, package))
    return {suite: modules for suite, modules in suites.items() if modules}


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


def _copy_users(source: Path, home: Path, package: str) -> Iterator[str]:
    """Copy the tests of other modules, those that there are; yield the modules."""
    for user in USERS:
        if (source / f"{user}.py").exists():
            text = (source / f"{user}.py").read_text(encoding="utf-8")
            parent = ".".join(("test", *Path(user).parts[:-1]))
            text = _RELATIVE.sub(f"from {parent} import ", text)
            (home / f"{Path(user).name}.py").write_text(rewritten(text, package=package), "utf-8")
            yield f"{PACKAGE}.{Path(user).name}"


def _copy(path: Path, folder: Path, package: str) -> None:
    text = path.read_text(encoding="utf-8")
    (folder / path.name).write_text(rewritten(text, package=package), encoding="utf-8")


def make_interpreter(folder: Path) -> Path:
    """Make a Python below ``folder`` whose standard library has the copies and procession.

    It is the running one's binary with links to its standard library, so these packages are
    found by whatever a test starts, also by ``python -E -S`` and ``python -I``.
    """
    base = folder / "python"
    here = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    library = base / here.relative_to(sys.base_prefix)
    library.mkdir(parents=True)
    for entry in here.iterdir():
        if entry.name not in {"site-packages", "dist-packages"}:
            (library / entry.name).symlink_to(entry)
    for entry in here.parent.glob("libpython*"):  # which the binary may look for at ../lib
        (library.parent / entry.name).symlink_to(entry)
    (library / "site-packages").mkdir()
    for package in ("procession", "cloudpickle"):
        # Copies: a source file that is edited while this runs must not be seen by half of it.
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_place(package), library / package, ignore=ignored)
    (library / PACKAGE).symlink_to(folder / PACKAGE, target_is_directory=True)
    executable = base / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    executable.parent.mkdir()
    shutil.copy2(Path(sys._base_executable).resolve(), executable)  # type: ignore[attr-defined]
    return executable


def _place(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed for {sys.executable}", name=package)
    return Path(next(iter(spec.submodule_search_locations))).resolve()
