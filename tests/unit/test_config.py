"""The environment's settings: what they mean, and what is refused."""

from __future__ import annotations

import os

import pytest

from procession._engine import config


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), ("", None), ("auto", None), (" Native ", "native"), ("portable", "portable")],
)
def test_forced_transport(
    monkeypatch: pytest.MonkeyPatch, value: str | None, expected: str | None
) -> None:
    """PROCESSION_TRANSPORT names a transport, or leaves the choice free."""
    monkeypatch.delenv(config.TRANSPORT, raising=False)
    if value is not None:
        monkeypatch.setenv(config.TRANSPORT, value)
    assert config.forced_transport() == expected


def test_unknown_transport_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is no transport raises ValueError with those that are."""
    monkeypatch.setenv(config.TRANSPORT, "turbo")
    with pytest.raises(ValueError, match="'native' or 'portable'"):
        config.forced_transport()


@pytest.mark.parametrize(
    ("value", "expected"), [(None, False), ("", False), ("0", False), ("off", False), ("1", True)]
)
def test_debug(monkeypatch: pytest.MonkeyPatch, value: str | None, expected: bool) -> None:
    """PROCESSION_DEBUG is off unless it says something."""
    monkeypatch.delenv(config.DEBUG, raising=False)
    if value is not None:
        monkeypatch.setenv(config.DEBUG, value)
    assert config.debug() is expected


def test_the_commentary_is_one_line_with_the_pid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With PROCESSION_DEBUG something is said on stderr; without it nothing."""
    monkeypatch.setenv(config.DEBUG, "1")
    config.explain("%d of %s", 3, "four")
    monkeypatch.delenv(config.DEBUG)
    config.explain("nothing")

    assert capsys.readouterr().err == f"procession[{os.getpid()}]: 3 of four\n"
