"""The serializer where it pickles: reducers, re-entrancy, refusals, the fallback.

What the standard library's ForkingPickler would do is the measure; the tests compare with it.
"""

from __future__ import annotations

import copyreg
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing import reduction
from typing import Any

import numpy as np
import pytest

from procession._native import _decode, _encode, _set_fallback

pytestmark = pytest.mark.usefixtures("codec_alone")

PICKLE = 3
BIG = 200_000  # more than fits into the pickle: such buffers go out of band
ForkingPickler = reduction.ForkingPickler


def round_trip(obj: Any) -> Any:
    """The object as another process would get it."""
    return _decode(*_encode(obj))


class Plain:
    """An instance of a class without any methods for pickling."""

    def __init__(self, value: Any) -> None:
        self.value = value


class WithReduceEx:
    """Reduced by a method of its own."""

    def __init__(self, protocol: int = -1) -> None:
        self.protocol = protocol

    def __reduce_ex__(self, protocol: Any) -> Any:
        return WithReduceEx, (int(protocol),)


class Registered:
    """Reduced by whatever a test registers for it."""

    source = "class"

    def __reduce__(self) -> Any:
        return make_registered, ("__reduce__",)


def make_registered(source: str) -> Registered:
    """A Registered that tells which reducer made it."""
    made = Registered()
    made.source = source
    return made


@pytest.fixture
def registries() -> Iterator[None]:
    """Puts copyreg's and ForkingPickler's tables back after the test."""
    extra = dict(ForkingPickler._extra_reducers)
    common = dict(copyreg.dispatch_table)
    yield
    for table, saved in ((ForkingPickler._extra_reducers, extra), (copyreg.dispatch_table, common)):
        table.clear()
        table.update(saved)


@pytest.fixture
def fallback() -> Iterator[Callable[[Any], None]]:
    """Sets the fallback, and takes it away after the test."""
    yield _set_fallback
    _set_fallback(None)


def test_objects_are_pickled_with_protocol_5() -> None:
    """A class's own __reduce_ex__ is called, with protocol 5."""
    assert round_trip(WithReduceEx()).protocol == 5
    assert round_trip(Plain([1, "x"])).value == [1, "x"]
    kind, payload, _ = _encode(Plain(1))
    assert (kind, payload[:2]) == (PICKLE, b"\x80\x05")


# ---- reducers -------------------------------------------------------------------------------


def test_reducers_have_the_precedence_that_forking_pickler_gives(registries: None) -> None:
    """ForkingPickler's registry wins over copyreg's, copyreg's over __reduce__."""

    def agree(expected: str) -> None:
        assert round_trip(Registered()).source == expected
        assert pickle.loads(ForkingPickler.dumps(Registered())).source == expected

    agree("__reduce__")
    copyreg.pickle(Registered, lambda _: (make_registered, ("copyreg",)))
    agree("copyreg")
    ForkingPickler.register(Registered, lambda _: (make_registered, ("forking",)))
    agree("forking")
    del ForkingPickler._extra_reducers[Registered]
    agree("copyreg")
    del copyreg.dispatch_table[Registered]
    agree("__reduce__")


def test_a_replaced_table_of_reducers_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are looked up on the class each time, also when they are no plain dicts."""

    class Table(dict[type, Any]):
        def __missing__(self, key: type) -> Any:
            if key is Registered:
                return lambda _: (make_registered, ("missing",))
            raise KeyError(key)

    monkeypatch.setattr(ForkingPickler, "_extra_reducers", Table())
    assert round_trip(Registered()).source == "missing"
    assert round_trip(Plain(1)).value == 1


def test_reducers_cannot_touch_built_in_types(registries: None) -> None:
    """As in the standard library, a reducer for an exact built-in type is never asked."""
    for kind in (int, str, list, dict, tuple, bytes, float):
        ForkingPickler.register(kind, lambda _: (str, ("wrong",)))
    value = [1, {"a": (2.0, b"x")}, {3}]
    assert round_trip(value) == value == pickle.loads(ForkingPickler.dumps(value))


def test_the_standard_reducers_work() -> None:
    """What the standard library registered itself is honoured: bound methods, for one."""
    method = round_trip(Plain([3]).__reduce_ex__)
    assert method.__self__.value == [3]


def test_an_error_in_a_table_of_reducers_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that fails with anything but KeyError makes the sending fail with that."""

    class Broken(dict[type, Any]):
        def __missing__(self, key: type) -> Any:
            raise OSError("no table today")

    monkeypatch.setattr(ForkingPickler, "_extra_reducers", Broken())
    with pytest.raises(OSError, match="no table today"):
        _encode(Plain(1))


def test_a_changed_forking_pickler_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that replaces ForkingPickler.dumps or loads gets its own functions called."""

    def dumps(cls: Any, obj: Any, protocol: Any = None) -> memoryview:
        return memoryview(pickle.dumps(("mine", obj.value)))

    monkeypatch.setattr(ForkingPickler, "dumps", classmethod(dumps))
    assert round_trip(Plain(1)) == ("mine", 1)
    monkeypatch.undo()
    assert round_trip(Plain(1)).value == 1

    seen: list[type] = []

    def loads(data: Any, **options: Any) -> Any:
        seen.append(type(data))
        return pickle.loads(data, **options)

    monkeypatch.setattr(ForkingPickler, "loads", loads)
    assert round_trip(Plain("x" * 100_000)).value == "x" * 100_000
    assert round_trip(np.ones(10_000)).sum() == 10_000
    assert seen == [bytes, bytes]


def test_a_hook_put_into_forking_pickler_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reducer_override that was added to the class is asked."""

    def reducer_override(self: Any, obj: Any) -> Any:
        if isinstance(obj, Registered):
            return make_registered, ("override",)
        return NotImplemented

    monkeypatch.setattr(ForkingPickler, "reducer_override", reducer_override, raising=False)
    assert round_trip(Registered()).source == "override"


def output_of(program: str) -> str:
    """What a fresh interpreter prints; it must neither fail nor complain."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    "change",
    [
        "ForkingPickler.dumps = classmethod(lambda cls, obj: pickle.dumps('mine'))",
        "ForkingPickler.reducer_override = lambda self, obj: reduce_item(obj)",
    ],
    ids=["dumps", "reducer_override"],
)
def test_a_forking_pickler_changed_before_us_is_used(change: str) -> None:
    """A program may have changed ForkingPickler before it imports procession."""
    program = f"""
import pickle
from multiprocessing.reduction import ForkingPickler
class Item:
    def __reduce__(self):
        return str, ("plain",)
def reduce_item(obj):
    return (str, ("mine",)) if type(obj) is Item else NotImplemented
{change}
from procession._native import _decode, _encode
print(_decode(*_encode(Item())))
"""
    assert output_of(program) == "mine\n"


def test_sending_at_the_interpreters_end_is_refused_or_works() -> None:
    """Finalizers that run while the interpreter shuts down may try to send; nothing crashes."""
    program = """
import os, sys
from procession._native import _decode, _encode
class Late:
    def __del__(self, encode=_encode, decode=_decode, write=os.write):
        try:
            decode(*encode({1, 2}))
        except RuntimeError:
            pass
        write(1, b"done\\n")
sys.late = Late()
late = [Late()]
late.append(late)
"""
    assert output_of(program) == "done\ndone\n"


# ---- re-entrancy ----------------------------------------------------------------------------


class Nested:
    """An object that encodes another message while it is being pickled."""

    def __init__(self, depth: int) -> None:
        self.depth = depth

    def __reduce__(self) -> Any:
        inner = round_trip([Nested(self.depth - 1), {1}]) if self.depth else None
        return make_nested, (self.depth, inner)


def make_nested(depth: int, inner: Any) -> Nested:
    """A Nested again, with what its pickling had sent meanwhile."""
    made = Nested(depth)
    made.inner = inner  # type: ignore[attr-defined]
    return made


def test_pickling_may_send_other_messages() -> None:
    """A __reduce__ that itself sends something does not disturb the message around it."""
    received = round_trip([{2}, Nested(4), {3}])
    assert (received[0], received[2]) == ({2}, {3})
    for depth in (4, 3, 2, 1):
        nested = received[1]
        assert nested.depth == depth
        received = [None, nested.inner[0]]
        assert nested.inner[1] == {1}


# ---- refusals -------------------------------------------------------------------------------


def notes_of(error: BaseException) -> str:
    """All notes of an exception; Python 3.10 has none."""
    return "\n".join(getattr(error, "__notes__", []))


@pytest.mark.parametrize("value", [lambda: 1, threading.Lock(), (i for i in ()), memoryview(b"")])
def test_a_refusal_is_the_exception_of_pickle(value: Any) -> None:
    """The type of exception and its text are those of the standard library's pickling."""
    with pytest.raises(Exception, match=r".*") as expected:
        ForkingPickler.dumps([value])
    with pytest.raises(Exception, match=r".*") as raised:
        _encode([value])
    assert type(raised.value) is type(expected.value)
    assert str(raised.value) == str(expected.value)
    if hasattr(raised.value, "add_note"):
        assert "could not send an object of type 'list'" in notes_of(raised.value)
        assert "ForkingPickler.register" in notes_of(raised.value)
    assert round_trip({1}) == {1}


class Interrupting:
    """An object whose pickling is interrupted."""

    def __reduce__(self) -> Any:
        raise KeyboardInterrupt


def test_an_interruption_is_no_refusal(fallback: Callable[[Any], None]) -> None:
    """Ctrl-C during pickling goes through as it is: no note, no fallback."""
    fallback(lambda *_: pickle.dumps("never"))
    with pytest.raises(KeyboardInterrupt) as raised:
        _encode(Interrupting())
    assert notes_of(raised.value) == ""


def test_an_unpickling_error_arrives_as_it_is() -> None:
    """What goes wrong while loading is raised with its own type."""
    with pytest.raises(ZeroDivisionError):
        round_trip(Exploding())


class Exploding:
    """An object that pickles well and fails to load."""

    def __reduce__(self) -> Any:
        return divmod, (1, 0)


# ---- the fallback ---------------------------------------------------------------------------


def test_the_fallback_is_asked_only_after_a_refusal(fallback: Callable[[Any], None]) -> None:
    """What pickles does not reach the fallback; what does not is sent as the fallback says."""
    asked: list[Any] = []

    def by_value(obj: Any, buffer_callback: Any) -> bytes:
        asked.append(obj)
        return pickle.dumps(("by value", obj[0]), 5, buffer_callback=buffer_callback)

    fallback(by_value)
    assert round_trip(Plain(1)).value == 1
    assert asked == []
    array_sent = np.arange(BIG)
    message = [array_sent, lambda: 1]
    kind, payload, buffers = _encode(message)
    assert (kind, len(buffers)) == (PICKLE, 1)
    label, received = _decode(kind, payload, buffers)
    assert label == "by value"
    np.testing.assert_array_equal(received, array_sent)
    assert asked == [message]


def test_a_failing_fallback_leaves_the_exception_that_tells_more(
    fallback: Callable[[Any], None],
) -> None:
    """The caller learns what cannot be pickled; that a name is not found tells nobody."""

    def failing(obj: Any, buffer_callback: Any) -> bytes:
        raise OSError("fallback")

    fallback(failing)
    with pytest.raises(TypeError, match="lock"):
        _encode([threading.Lock()])
    with pytest.raises(OSError, match="fallback"):
        _encode([lambda: 1])

    def interrupted(obj: Any, buffer_callback: Any) -> bytes:
        raise KeyboardInterrupt

    fallback(interrupted)
    with pytest.raises(KeyboardInterrupt):
        _encode([lambda: 1])


def test_a_fallback_must_return_bytes(fallback: Callable[[Any], None]) -> None:
    """A fallback of a wrong type is found out: when it is set, or when it answers."""
    with pytest.raises(TypeError, match="callable or None"):
        fallback(3)
    fallback(lambda *_: None)
    with pytest.raises(TypeError, match="not bytes"):
        _encode([lambda: 1])


def test_a_kept_buffer_callback_is_refused(fallback: Callable[[Any], None]) -> None:
    """A buffer callback that is called after its message was made raises and changes nothing."""
    kept: list[Any] = []

    def keeping(obj: Any, buffer_callback: Any) -> bytes:
        kept.append(buffer_callback)
        return pickle.dumps(1)

    fallback(keeping)
    assert round_trip([lambda: 1]) == 1
    with pytest.raises(ValueError, match="after the message was encoded"):
        kept[0](pickle.PickleBuffer(bytes(100_000)))
    with pytest.raises(ValueError, match="after the message was encoded"):
        kept[0].write(b"x")
    with pytest.raises(TypeError):
        type(kept[0])()
