"""What of a failure travels: the exception whole, its traceback readable."""

from __future__ import annotations

import pickle

import pytest

from procession._engine.pool.failure import pack_failure
from procession._engine.pool.revival import unpack_failure

LONG = "begin " + "x" * 1_000_000 + " end"


def _caught(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def test_a_long_text_arrives_whole_and_its_traceback_shortened() -> None:
    """Both ends are shown, and how much is left out."""
    arrived = unpack_failure(pack_failure(_caught(ValueError(LONG))), "task 1")
    assert arrived.args == (LONG,)
    trace = str(arrived.__cause__)
    assert "ValueError: begin xxx" in trace
    assert " end" in trace
    assert f"[... {len(LONG) - 20_000:,} characters left out ...]" in trace
    assert len(trace) < 30_000


def test_the_texts_of_causes_are_shortened() -> None:
    """However far down."""
    causes = _caught(ValueError("middle"), _caught(KeyError(LONG)))
    arrived = unpack_failure(pack_failure(_caught(ValueError("short"), causes)), "task 1")
    trace = str(arrived.__cause__)
    assert "ValueError: middle" in trace
    assert "characters left out" in trace
    assert len(trace) < 30_000


def test_what_cannot_be_pickled_arrives_as_its_whole_text() -> None:
    """Nothing else has it."""
    error = ValueError(LONG)
    error.reason = lambda: None  # type: ignore[attr-defined]
    arrived = unpack_failure(pack_failure(_caught(error)), "task 1")
    assert LONG in str(arrived)


def test_what_cannot_be_built_in_the_parent_arrives_as_text() -> None:
    """Its class is not there, for instance."""
    name, text, trace, pickled, pid = pickle.loads(pack_failure(_caught(ValueError("of mine"))))
    assert pickled is not None
    record = pickle.dumps((name, text, trace, b"not a pickle", pid))
    assert "of mine" in str(unpack_failure(record, "task 1"))


@pytest.mark.parametrize("text", ["", "short", "y" * 20_000])
def test_a_text_of_usual_length_is_shown_as_it_is(text: str) -> None:
    """Nothing is left out."""
    trace = str(unpack_failure(pack_failure(_caught(ValueError(text))), "task 1").__cause__)
    assert text in trace
    assert "left out" not in trace
