"""The serializer where it pickles: reducers, buffers out of band, refusals, the fallback.

What the standard library's ForkingPickler would do is the measure; the tests compare with it.
"""

from __future__ import annotations

import array
import copyreg
import gc
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from multiprocessing import reduction
from typing import Any

import numpy as np
import pytest

from procession._native import _decode, _encode, _set_fallback

PICKLE = 3
OUT_OF_BAND_MIN = 32 * 1024
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


# ---- buffers --------------------------------------------------------------------------------

BIG = 6 * OUT_OF_BAND_MIN

ARRAYS = {
    "small": np.arange(10),
    "contiguous": np.arange(BIG, dtype=np.int32).reshape(4, -1),
    "fortran": np.asfortranarray(np.arange(BIG, dtype=np.float64).reshape(8, -1)),
    "sliced": np.arange(BIG, dtype=np.int64)[::3],
    "transposed": np.arange(BIG, dtype=np.int64).reshape(8, -1, 2).transpose(1, 0, 2),
    "zero dimensions": np.array(3.5),
    "empty": np.empty((0, 5)),
    "of objects": np.array([1, "x", None] * BIG, dtype=object),
    "structured": np.zeros(BIG, dtype=[("a", "i4"), ("b", "f8", (2,))]),
    "dates": np.arange(BIG).astype("datetime64[s]"),
    "text": np.array(["naïve"] * BIG),
    "big endian": np.arange(BIG, dtype=">i4"),
    "complex": np.arange(BIG) * 1j,
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_arrive_equal_and_writable(name: str) -> None:
    """An array of any memory layout and dtype arrives equal, writable, in the same order."""
    sent = ARRAYS[name]
    received = round_trip(sent)
    np.testing.assert_array_equal(received, sent)
    assert (received.dtype, received.shape) == (sent.dtype, sent.shape)
    expected = pickle.loads(pickle.dumps(sent, 5))
    assert received.flags.c_contiguous == expected.flags.c_contiguous
    assert received.flags.f_contiguous == expected.flags.f_contiguous
    assert received.flags.writeable


@pytest.mark.parametrize("name", ["contiguous", "fortran", "structured", "big endian", "complex"])
def test_a_large_array_travels_out_of_band(name: str) -> None:
    """The data of a large contiguous array is one buffer, and the pickle stays small."""
    _, payload, buffers = _encode({"array": ARRAYS[name]})
    assert [len(buffer) for buffer in buffers] == [ARRAYS[name].nbytes]
    assert len(payload) < 1000


def test_a_read_only_array_stays_read_only() -> None:
    """Read-only arrays arrive read-only, small or large, as from pickle."""
    for size in (10, BIG):
        sent = np.arange(size)
        sent.flags.writeable = False
        received = round_trip(sent)
        np.testing.assert_array_equal(received, sent)
        assert received.flags.writeable == pickle.loads(pickle.dumps(sent, 5)).flags.writeable


def test_the_limit_for_out_of_band_is_exact() -> None:
    """A buffer one byte below the limit stays in the pickle, one at the limit leaves it."""
    for size, count in ((OUT_OF_BAND_MIN - 1, 0), (OUT_OF_BAND_MIN, 1)):
        sent = np.arange(size, dtype=np.uint8)
        _, payload, buffers = _encode(sent)
        assert len(buffers) == count
        np.testing.assert_array_equal(_decode(PICKLE, payload, buffers), sent)


def test_buffers_beyond_the_most_stay_in_the_pickle() -> None:
    """A message has at most 1024 buffers; the others travel in it and nothing is lost."""
    sent = [np.full(OUT_OF_BAND_MIN, i % 251, dtype=np.uint8) for i in range(1030)]
    sent.append(np.asfortranarray(np.arange(BIG).reshape(8, -1)))
    _, payload, buffers = _encode(sent)
    assert len(buffers) == 1024
    received = _decode(PICKLE, payload, buffers)
    assert all(np.array_equal(one, other) for one, other in zip(sent, received, strict=True))


def test_a_shared_array_stays_shared() -> None:
    """An array that occurs twice is sent once and arrives as one."""
    sent = np.arange(BIG)
    _, payload, buffers = _encode([sent, sent])
    assert len(buffers) == 1
    received = _decode(PICKLE, payload, buffers)
    assert received[0] is received[1]


def test_a_received_array_keeps_its_buffer_alive() -> None:
    """The array is backed by the buffer that it came in, which dies after it."""
    _, payload, buffers = _encode(np.arange(BIG))

    class Block(bytearray):
        """A buffer that can be watched."""

    block = Block(buffers[0])
    watch = weakref.ref(block)
    received = _decode(PICKLE, payload, [block])
    received[0] = 77
    assert int.from_bytes(block[:8], "little") == 77
    del block
    gc.collect()
    assert watch() is not None
    del received
    gc.collect()
    assert watch() is None


def test_nothing_keeps_a_view_of_the_payload() -> None:
    """After decoding the payload's memory can be reused at once, errors included."""
    _, payload, buffers = _encode([np.arange(10), b"x" * 10_000, bytearray(10_000), "y" * 10_000])
    memory = bytearray(payload)
    received = _decode(PICKLE, memory, buffers)
    memory[:] = bytes(len(memory))
    memory.clear()
    assert received[1:] == [b"x" * 10_000, bytearray(10_000), "y" * 10_000]
    memory = bytearray(payload[:-100])
    with pytest.raises((pickle.UnpicklingError, EOFError)):
        _decode(PICKLE, memory, buffers)
    memory.clear()


@pytest.mark.parametrize("size", [0, 10, OUT_OF_BAND_MIN, 10 * OUT_OF_BAND_MIN])
def test_a_pickle_buffer_arrives_as_its_bytes(size: int) -> None:
    """A PickleBuffer may be sent by itself, over memory that is writable or not."""
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    assert bytes(round_trip(pickle.PickleBuffer(data))) == data
    assert bytes(round_trip([pickle.PickleBuffer(bytearray(data))])[0]) == data


def test_a_scattered_pickle_buffer_is_refused() -> None:
    """Memory that is not contiguous cannot be a buffer of a message, as in pickle."""
    with pytest.raises(pickle.PicklingError, match="contiguous"):
        _encode(pickle.PickleBuffer(memoryview(bytes(100))[::2]))


def test_bytearray_and_array_come_back_whole() -> None:
    """Large bytearrays and arrays come back with their type and may be changed."""
    for value in (bytearray(b"x" * 300_000), array.array("d", range(100_000))):
        received = round_trip([value])[0]
        assert type(received) is type(value)
        assert received == value
        received.append(7)


def test_a_memoryview_is_refused() -> None:
    """A memoryview has no pickle, and the message says so."""
    with pytest.raises(TypeError, match="memoryview"):
        _encode(memoryview(b"x"))


def test_a_refused_message_lets_its_buffers_go() -> None:
    """Memory that had gone out of band before the refusal is released."""
    memory = bytearray(OUT_OF_BAND_MIN)
    with pytest.raises(Exception, match="lambda"):
        _encode([pickle.PickleBuffer(memory), lambda: 1])
    memory.append(1)


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


def test_a_failing_fallback_leaves_the_first_exception(fallback: Callable[[Any], None]) -> None:
    """The caller learns why the object was refused, not why the fallback failed."""

    def failing(obj: Any, buffer_callback: Any) -> bytes:
        raise OSError("fallback")

    fallback(failing)
    with pytest.raises(Exception, match="lambda") as raised:
        _encode([lambda: 1])
    assert not isinstance(raised.value, OSError)

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
    with pytest.raises((AttributeError, pickle.PicklingError)):
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
