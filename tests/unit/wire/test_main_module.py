"""Which programs count as guarded, and what becomes of globals that come with a function."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from procession._engine.wire import by_value
from procession._engine.wire.main_module import MainModule, file_is_guarded

GUARDED = [
    'if __name__ == "__main__":\n    run()\n',
    "if '__main__' == __name__ and True: run()\n",
    "import sys\nif __name__ != '__main__':\n    sys.exit()\n",
    "try:\n    if (__name__\n            == '__main__'): run()\nfinally:\n    pass\n",
    "import multiprocessing as mp\nif mp.parent_process() is None:\n    run()\n",
    "if current_process().name == 'MainProcess':\n    run()\n",
    "this is no Python (\n",
]
UNGUARDED = [
    "run()\n",
    "",
    "def f():\n    if __name__ == '__main__':\n        run()\nf()\n",
    "# if __name__ == '__main__':\nrun()\n",
    "print(__name__)\n",
]


@pytest.mark.parametrize("source", GUARDED)
def test_a_condition_at_the_top_level_is_a_guard(source: str, tmp_path: Path) -> None:
    """In its usual form, within other statements, or asking for the parent; or not to be told."""
    (tmp_path / "program.py").write_text(source)

    assert file_is_guarded(tmp_path / "program.py")


@pytest.mark.parametrize("source", UNGUARDED)
def test_anything_else_is_none(source: str, tmp_path: Path) -> None:
    """Not in a function, not in a comment, not without a condition."""
    (tmp_path / "program.py").write_text(source)

    assert not file_is_guarded(tmp_path / "program.py")


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Put an empty main module in the place of the tests' own."""
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


def test_globals_of_a_function_are_set_unless_bound_here(main: ModuleType) -> None:
    """What came before is replaced by what comes now; what this process bound stays."""
    state = MainModule()
    vars(main)["mine"] = "mine"

    first = state.take_in({"mine": "theirs", "x": [1], "y": [1]})
    vars(main).update(first)
    vars(main)["y"] = "mine now"
    second = state.take_in({"mine": "theirs", "x": [2], "y": [2]})

    assert first == {"x": [1], "y": [1]}
    assert second == {"x": [2]}


def decorated(function: Callable[[Any], str]) -> Callable[[Any], str]:
    """Wrap a method, with only its name kept."""

    def wrapper(self: Any) -> str:
        return function(self)

    wrapper.__name__ = function.__name__
    return wrapper


class Decorated:
    """Has a method whose function cannot be found by its own qualified name."""

    @decorated
    def method(self) -> str:
        return "called"


def test_a_method_goes_by_its_object_and_name() -> None:
    """As in pickle: the function is not copied, although it could not be found by its own name."""
    arrived = pickle.loads(by_value.dumps(Decorated().method))

    assert arrived() == "called"
    assert arrived.__func__ is Decorated.method


@pytest.mark.parametrize("value", [memoryview(b"x"), sys.stderr, (n for n in ())])
def test_what_has_no_pickle_is_refused_as_ever(value: object) -> None:
    """Nothing is sent as a copy of its contents that the standard library would refuse."""
    with pytest.raises(TypeError, match="pickle"):
        by_value.dumps([value])


stream = (number for number in ())


def test_a_global_that_cannot_be_sent_is_named() -> None:
    """The error of a function that goes by value says which of its globals is to blame."""
    with pytest.raises(TypeError, match="pickle") as raised:
        by_value.dumps(lambda: next(stream))

    # Notes came with Python 3.11.
    notes = getattr(raised.value, "__notes__", ["of these stream cannot"])
    assert "of these stream cannot" in notes[0]
