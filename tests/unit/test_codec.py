"""The serializer: what goes in comes out, of exactly the same types, by whichever way.

Three ways exist (see binding/codec.h): an object's own memory, tags, and pickle.  These tests pin
down which objects take which, that the result is what pickling would have given, and that nothing
keeps a reference to what was sent.
"""

from __future__ import annotations

import enum
import gc
import struct
import sys
import threading
import tracemalloc
from collections import OrderedDict, namedtuple
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procession._native import _decode, _encode

pytestmark = pytest.mark.usefixtures("codec_alone")

BYTES_OBJECT, ASCII_OBJECT = 4, 5
TAGS, PICKLE = 2, 3

Point = namedtuple("Point", "x y")


class Colour(enum.Enum):
    """An enum: its members are singletons."""

    RED = 1


class Level(enum.IntEnum):
    """An enum whose members are ints, which tags must not mistake for ints."""

    HIGH = 3


class Text(str):
    """A subclass of a type that tags know."""


class Number(int):
    """A subclass of a type that tags know."""


class Payload(bytearray):
    """Something that is pickled and may be large."""


class Numbers(list[int]):
    """A subclass of a type that tags know."""


def kind_of(obj: Any) -> int:
    """The way an object takes."""
    return int(_encode(obj)[0])


def round_trip(obj: Any) -> Any:
    """The object as another process would get it."""
    return _decode(*_encode(obj))


def same(one: Any, other: Any) -> bool:
    """Equal in types and values, all the way down; floats bit for bit, dicts in order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    return bool(one == other)


SCALARS = [
    None,
    True,
    False,
    0,
    1,
    -1,
    127,
    128,
    -128,
    -129,
    2**31 - 1,
    2**31,
    -(2**31),
    -(2**31) - 1,
    2**63 - 1,
    -(2**63),
    0.0,
    -0.0,
    1.5,
    float("inf"),
    float("-inf"),
    struct.unpack("d", struct.pack("Q", 0x7FF8000000001234))[0],
    5e-324,
    "",
    "a",
    "hello",
    "x" * 254,
    "x" * 255,
    "x" * 100_000,
    "\x00\x7f",
    "é",
    "\x80\xff",
    "naïve" * 100,
    "€uro",
    "\ud800",
    "a\udfffb",
    "\uffff",
    "😀",
    "a😀" * 1000,
    b"",
    b"\x00\xff",
    b"x" * 300,
    b"x" * 100_000,
]


@pytest.mark.parametrize(
    "value", SCALARS, ids=lambda value: f"{type(value).__name__}-{value!r:.20}"
)
def test_scalars_come_back_exactly_and_without_pickle(value: Any) -> None:
    """Every built-in scalar has a fast way, alone and inside of a list, and keeps type and bits."""
    assert PICKLE not in (kind_of(value), kind_of([value]))
    assert same(value, round_trip(value))
    assert same([value, (value,)], round_trip([value, (value,)]))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"", BYTES_OBJECT),
        (b"x" * 10**6, BYTES_OBJECT),
        ("", ASCII_OBJECT),
        ("x" * 10**6, ASCII_OBJECT),
        ("é", TAGS),
        (42, TAGS),
        ([42, None, "hello"], TAGS),
        ({"a": 1, 2: (3.0, b"4")}, TAGS),
        (2**63, PICKLE),
        (-(2**63) - 1, PICKLE),
        ({1, 2}, PICKLE),
        (1j, PICKLE),
        (bytearray(b"x"), PICKLE),
        (Point(1, 2), PICKLE),
        (Text("x"), PICKLE),
        (Number(1), PICKLE),
        (Level.HIGH, PICKLE),
        (Numbers([1]), PICKLE),
        (OrderedDict(a=1), PICKLE),
        ([Number(1)], PICKLE),
    ],
    ids=lambda value: f"{type(value).__name__}-{value!r:.20}",
)
def test_the_way_is_chosen_by_exact_type(value: Any, kind: int) -> None:
    """Only exact built-in types avoid pickle; a subclass never does, and keeps its class."""
    assert kind_of(value) == kind
    assert same(value, round_trip(value))


def test_enum_members_stay_singletons() -> None:
    """An enum's member arrives as the very member."""
    assert round_trip(Colour.RED) is Colour.RED
    assert round_trip([Level.HIGH])[0] is Level.HIGH


def test_dict_order_and_key_types_are_kept() -> None:
    """Keys of every hashable kind come back in their order, 1 not turned into True or 1.0."""
    value = {"b": 1, "a": 2, 3: None, 4.5: (), (1, "x"): [], b"k": {}, True: 0, None: "é"}
    assert same(value, round_trip(value))
    assert kind_of(value) == TAGS


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(st.characters(), max_size=40)
    | st.binary(max_size=40)
)
keys = st.integers() | st.text(max_size=10) | st.binary(max_size=5) | st.booleans()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.lists(inner, max_size=6).map(tuple)
        | st.dictionaries(keys, inner, max_size=6)
    ),
    max_leaves=30,
)


@given(values)
@settings(max_examples=500, deadline=None)
def test_any_nesting_of_built_in_types_comes_back_exactly(value: Any) -> None:
    """Whatever is built of built-in types comes back with the same types and values."""
    assert same(value, round_trip(value))


# ---- resources ------------------------------------------------------------------------------

MIXED: list[Any] = [
    4_242_424,
    "hello",
    "é" * 500,
    b"x" * 5000,
    [42, None, "hello"],
    {f"key{i}": [i, float(i), b"x" * i] for i in range(50)},
    {1, 2, 3},
    Point(1, [2]),
    bytearray(200_000),
    list(range(1000)),
    ["x" * 100_000, {1}],
]


def test_no_reference_is_kept_or_lost() -> None:
    """After any number of messages the sent objects have the references that they had."""
    before = [sys.getrefcount(value) for value in MIXED]
    for _ in range(200):
        for value in MIXED:
            round_trip(value)
    del value
    gc.collect()
    assert [sys.getrefcount(value) for value in MIXED] == before


def test_no_memory_is_kept() -> None:
    """Thousands of messages, refused and damaged ones among them, leave no memory behind."""

    def work() -> None:
        for value in MIXED:
            kind, payload, buffers = _encode(value)
            _decode(kind, payload, buffers)
            with pytest.raises(Exception, match=r".*"):
                _decode(TAGS, b"\x0e\x05" + payload[:-1])
        with pytest.raises(Exception, match="lambda"):
            _encode([b"x" * 100_000, lambda: 1])

    for _ in range(20):
        work()
    gc.collect()
    tracemalloc.start()
    try:
        work()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(100):
            work()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000


def test_a_large_object_is_not_kept_by_the_serializer() -> None:
    """The pickler that is kept for the next message keeps nothing of the last one."""
    large = Payload(10**6)
    before = sys.getrefcount(large)
    _encode({1: large, 2: {3}})
    after = sys.getrefcount(large)
    assert after == before


def test_threads_may_encode_at_the_same_time() -> None:
    """Messages of threads do not mix, whichever way they take, user code included."""
    failures: list[Any] = []

    def work(number: int) -> None:
        for i in range(300):
            value = [Slow(number * 1000 + i), {number, i}, "x" * i]
            received = round_trip(value)
            if not (received[0].number == value[0].number and received[1:] == value[1:]):
                failures.append((number, i, received))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []


class Slow:
    """An object whose pickling runs enough Python code for the interpreter to switch threads."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        sum(range(200))
        return Slow, (self.number,)
