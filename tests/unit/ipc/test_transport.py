"""Which transport is chosen, and what is said when it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import procession
from procession._engine.ipc import transport

SOURCES = Path(procession.__file__).parent.parent
SHOW = "from procession._engine.ipc import transport; print(transport.NAME)"
WITHOUT_NATIVE = "import sys; sys.modules['procession._native'] = None\n" + SHOW


def run(code: str, forced: str | None) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter, with PROCESSION_TRANSPORT as given."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCES), *sys.path])}
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


def test_an_unknown_transport_is_refused() -> None:
    """A misspelled name raises ValueError with the names that there are."""
    done = run(SHOW, "turbo")
    assert "ValueError: PROCESSION_TRANSPORT='turbo' names no transport" in done.stderr


@pytest.mark.parametrize("name", ["Queue", "JoinableQueue", "SimpleQueue", "Connection", "Pipe"])
def test_offers_the_names_of_the_layer(name: str) -> None:
    """Everything that the layers above use is there."""
    assert callable(getattr(transport, name))
