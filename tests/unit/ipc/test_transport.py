"""Which transport is chosen, and what is said when it cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import procession
from procession._engine.ipc import transport

SOURCES = Path(procession.__file__).parent.parent
SHOW = "from procession._engine.ipc import transport; print(transport.NAME)"
WITHOUT_NATIVE = "import sys; sys.modules['procession._native'] = None\n" + SHOW
OF_ANOTHER_BUILD = """
import sys, types
sys.modules["procession._native"] = native = types.ModuleType("procession._native")
native.__file__ = "elsewhere/_native.so"
"""
IN_CHILDREN = """
import procession

if __name__ == "__main__":
    for method in ("spawn", "forkserver"):
        context = procession.get_context(method)
        queue = context.Queue()
        process = context.Process(target=queue.put, args=(method,))
        process.start()
        print(queue.get())
        process.join()
        with context.Pool(2) as pool:
            print(*pool.map(str, range(4)))
"""


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A copy of the package with an extension for this interpreter that does not load."""
    ours = SOURCES / "procession"
    shutil.copytree(ours, tmp_path / "procession", ignore=shutil.ignore_patterns("_native.*.*"))
    Path(tmp_path, "procession", "_native" + EXTENSION_SUFFIXES[0]).write_bytes(b"damaged")
    return tmp_path


def run(
    code: str, forced: str | None = None, sources: Path = SOURCES
) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter, with PROCESSION_TRANSPORT as given."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(sources), *sys.path])}
    environment.pop("PROCESSION_TRANSPORT", None)
    if forced is not None:
        environment["PROCESSION_TRANSPORT"] = forced
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_portable_can_be_forced() -> None:
    """PROCESSION_TRANSPORT=portable chooses it wherever it runs."""
    assert run(SHOW, "portable").stdout.split() == ["portable"]


def test_portable_is_the_choice_where_native_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extension the portable transport is taken silently."""
    monkeypatch.delenv("PROCESSION_DEBUG", raising=False)
    for forced in (None, "", "auto"):
        done = run(WITHOUT_NATIVE, forced)
        assert (done.stdout.split(), done.stderr) == (["portable"], "")


def test_debugging_says_why_it_is_portable(monkeypatch: pytest.MonkeyPatch) -> None:
    """With PROCESSION_DEBUG the reason for the choice stands on stderr."""
    monkeypatch.setenv("PROCESSION_DEBUG", "1")
    assert "using the portable transport: procession's native" in run(WITHOUT_NATIVE, None).stderr


def test_a_forced_native_transport_that_is_missing_says_what_to_do() -> None:
    """The ImportError names the ways out."""
    done = run(WITHOUT_NATIVE, "native")
    assert done.returncode != 0
    assert "ImportError: procession's native transport cannot be loaded" in done.stderr
    assert "PROCESSION_TRANSPORT=portable" in done.stderr
    assert "C compiler" in done.stderr


def test_an_extension_that_does_not_load_is_told_of(damaged: Path) -> None:
    """A warning has the reason, the file and what to do; the program runs."""
    done = run(SHOW, sources=damaged)
    assert done.stdout.split() == ["portable"]
    assert (
        "RuntimeWarning: procession's native transport is there but cannot be used" in done.stderr
    )
    assert str(damaged / "procession" / "_native") in done.stderr
    assert "make develop" in done.stderr


@pytest.mark.parametrize("interface", ["", "native.INTERFACE = 'older'\n"])
def test_an_extension_of_another_build_is_told_of(interface: str) -> None:
    """The warning comes instead of whatever would fail later, also where all names are there."""
    done = run(OF_ANOTHER_BUILD + interface + SHOW)
    assert done.stdout.split() == ["portable"]
    assert (
        "RuntimeWarning: procession's native transport is there but cannot be used" in done.stderr
    )
    assert "elsewhere/_native.so is damaged, or was built from other sources" in done.stderr
    assert ("older" in done.stderr) == bool(interface)


def test_children_do_not_repeat_what_is_told(damaged: Path) -> None:
    """One warning, by the program; none by its workers, nor by the server that starts them."""
    done = run(IN_CHILDREN, sources=damaged)
    assert done.stdout == "spawn\n0 1 2 3\nforkserver\n0 1 2 3\n"
    assert done.stderr.count("RuntimeWarning") == 1


def test_a_forced_native_transport_of_no_use_says_why(damaged: Path) -> None:
    """An error in place of the warning, with the same words."""
    done = run(SHOW, "native", damaged)
    assert "ImportError: procession's native transport is there but cannot be used" in done.stderr
    assert "RuntimeWarning" not in done.stderr


def test_an_unknown_transport_is_refused() -> None:
    """A misspelled name raises ValueError with the names that there are."""
    done = run(SHOW, "turbo")
    assert "ValueError: PROCESSION_TRANSPORT='turbo' names no transport" in done.stderr


@pytest.mark.parametrize("name", ["Queue", "JoinableQueue", "SimpleQueue", "Connection", "Pipe"])
def test_offers_the_names_of_the_layer(name: str) -> None:
    """Everything that the layers above use is there."""
    assert callable(getattr(transport, name))
