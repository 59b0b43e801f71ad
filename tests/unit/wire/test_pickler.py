"""The pickler: reducers that programs register for the standard library's, whenever they do."""

from __future__ import annotations

import threading
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest

from procession._engine.wire import pickler


class Handle:
    """Something that pickles in no way but the registered one."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        raise TypeError("a handle goes nowhere")


def _reduce_handle(handle: Handle) -> Any:
    return int, (handle.number,)


def test_a_reducer_registered_later_is_honoured() -> None:
    with pytest.raises(TypeError, match="goes nowhere"):
        pickler.dumps([Handle(3)])
    ForkingPickler.register(Handle, _reduce_handle)
    assert pickler.loads(pickler.dumps([Handle(3)])) == [3]


def test_a_plain_object_comes_back() -> None:
    message = (1, [2.5, None, "three"], {"four": b"five"})
    assert pickler.loads(pickler.dumps(message)) == message


def test_code_that_goes_by_value_keeps_the_name_of_its_file() -> None:
    """Tracebacks from other processes show lines of the program, nested functions' too."""
    arrived: Any = pickler.loads(pickler.dumps(lambda: lambda: 1 / 0))
    assert arrived.__code__.co_filename == __file__
    assert arrived().__code__.co_filename == __file__
    with pytest.raises(ZeroDivisionError) as caught:
        arrived()()
    assert str(caught.traceback[-1].statement).endswith("lambda: lambda: 1 / 0))")


def test_the_reason_told_is_what_is_in_a_function_and_not_the_function() -> None:
    """A function can be sent, so the error speaks of what it carries."""
    lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        pickler.dumps(lambda: lock)
