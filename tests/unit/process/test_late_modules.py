"""Late modules: the true module, whose code runs when somebody looks."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from procession._engine.process import late_modules
from procession._engine.process.late_modules import LateModule

SOURCE = """
import sys
RUNS = getattr(sys.modules["builtins"], "runs_of_slow", 0) + 1
sys.modules["builtins"].runs_of_slow = RUNS
import time
time.sleep(0.05)
__all__ = ["value"]
value = 7
_hidden = 8
def __getattr__(name):
    if name == "computed":
        return "made on demand"
    raise AttributeError(name)
"""


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module ``slow_module`` that waits in ``sys.modules``."""
    import builtins

    (tmp_path / "slow_module.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(builtins, "runs_of_slow", 0, raising=False)
    module = late_modules._put("slow_module", None)
    assert type(module) is LateModule
    yield module
    del sys.modules["slow_module"]


def test_import_finds_the_module_and_does_not_run_it(late: ModuleType) -> None:
    """Binding a name to the module is no look into it."""
    import slow_module  # type: ignore[import-not-found]

    assert slow_module is late
    assert type(late) is LateModule
    assert late.__name__ == "slow_module"
    assert late.__file__


def test_first_look_runs_the_code(late: ModuleType) -> None:
    """From then on it is a module like any other, and the same object."""
    from slow_module import value

    assert value == 7
    assert type(late) is ModuleType
    assert late._hidden == 8
    assert late.computed == "made on demand"
    with pytest.raises(AttributeError):
        _ = late.nothing
    assert late.RUNS == 1


def test_star_import_takes_what_the_module_says(late: ModuleType) -> None:
    """``__all__`` is asked for first, and is a look."""
    namespace: dict[str, Any] = {}
    exec("from slow_module import *", namespace)  # noqa: S102  # a program writes it
    assert namespace["value"] == 7
    assert "RUNS" not in namespace
    assert late.RUNS == 1


def test_replaced_name_stays_replaced(late: ModuleType) -> None:
    """The module's own code runs before, not after, a name is replaced or removed."""
    late.value = 70
    assert late.value == 70
    del late._hidden
    assert not hasattr(late, "_hidden")
    assert late.RUNS == 1


def test_listing_has_all_names(late: ModuleType) -> None:
    """Whoever lists the names sees those that there will be."""
    assert "value" in dir(late)


def test_threads_that_look_at_once_see_one_run(late: ModuleType) -> None:
    """The code runs once, and nobody sees the module half done."""
    seen: list[Any] = []
    start = threading.Barrier(8)

    def look() -> None:
        start.wait()
        seen.append((late.value, late._hidden, late.RUNS))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [(7, 8, 1)] * 8


def test_module_that_fails_can_be_tried_again(tmp_path: Path, late: ModuleType) -> None:
    """An error of its code reaches whoever looked; the next look tries again."""
    file = tmp_path / "slow_module.py"
    file.write_text("raise LookupError('not yet')")
    with pytest.raises(LookupError):
        _ = late.value
    file.write_text("value = 'now'  # another length, so that no cached code is taken")
    assert late.value == "now"


def test_module_that_is_loaded_stays(late: ModuleType) -> None:
    """Nothing takes the place of what was imported before."""
    assert late_modules._put("threading", None) is None
    assert sys.modules["threading"] is threading
