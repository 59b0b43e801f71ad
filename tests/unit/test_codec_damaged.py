"""The serializer given messages that nobody sent: it raises, whatever the bytes.

Messages come through shared memory, where a broken program may have written anything.  A damaged
message must become an exception: never a crash, a read beyond its end or an impossible object.
"""

from __future__ import annotations

import pickle
import random
import struct
import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from procession._native import _decode, _encode

TAGS, PICKLE, ASCII_OBJECT = 2, 3, 5
NONE, INT8, FLOAT, ASCII, LATIN1, UCS2, UCS4, BYTES, TUPLE, LIST, DICT = 1, 4, 7, *range(8, 16)

SAMPLE = {
    "int": [0, 1000, 2**40],
    "text": ("hello", "é", "€", "😀", "x" * 300),
    "nested": {1: [b"bytes", None, True], (1, 2): 1.5},
}


def message(*parts: int | bytes) -> bytes:
    """A message of these bytes, numbers being single ones."""
    return b"".join(bytes([part]) if isinstance(part, int) else part for part in parts)


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (message(), "missing"),
        (message(0), "unknown tag"),
        (message(16), "unknown tag"),
        (message(255), "unknown tag"),
        (message(NONE, NONE), "follows"),
        (message(INT8), "cut off"),
        (message(5, b"123"), "cut off"),
        (message(6, b"1234567"), "cut off"),
        (message(FLOAT, b"1234567"), "cut off"),
        (message(ASCII), "longer than"),
        (message(ASCII, 3, b"ab"), "longer than"),
        (message(ASCII, 255), "longer than"),
        (message(ASCII, 255, b"\x01\x00\x00"), "longer than"),
        (message(ASCII, 255, b"\xff\xff\xff\xff"), "longer than"),
        (message(ASCII, 2, b"a\x80"), "above 127"),
        (message(ASCII, 1, b"\xff"), "above 127"),
        (message(ASCII, 40, b"a" * 39 + b"\xe9"), "above 127"),
        (message(LATIN1, 2, b"ab"), "do not fit"),
        (message(LATIN1, 0), "empty"),
        (message(UCS2, 1, struct.pack("=H", 0xE9)), "do not fit"),
        (message(UCS2, 2, b"abc"), "longer than"),
        (message(UCS4, 1, struct.pack("=I", 0x20AC)), "do not fit"),
        (message(UCS4, 1, struct.pack("=I", 0x110000)), "do not fit"),
        (message(UCS4, 1, b"\xff\xff\xff\xff"), "do not fit"),
        (message(BYTES, 255, b"\xff\xff\xff\xff", b"x"), "longer than"),
        (message(TUPLE, 2, NONE), "longer than"),
        (message(LIST, 255, b"\xff\xff\xff\x7f", NONE), "longer than"),
        (message(LIST, 2, LIST, 0), "missing"),
        (message(DICT, 1, NONE), "longer than"),
        (message(DICT, 1, LIST, 0, NONE), "not hashable"),
        (message(DICT, 1, TUPLE, 1, LIST, 0, NONE), "not hashable"),
        (message(DICT, 2, INT8, 1, NONE, INT8, 1, NONE), "twice"),
        (message(DICT, 2, INT8, 1, NONE, 3, NONE), "twice"),
        (message(*[LIST, 1] * 17, NONE), "nested too deeply"),
        (message(*[TUPLE, 1] * 100_000), "nested too deeply"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:4].hex(),
)
def test_each_kind_of_damage_is_named(payload: bytes, complaint: str) -> None:
    """Every check of the decoder raises ValueError with what is wrong and where."""
    with pytest.raises(ValueError, match=complaint) as raised:
        _decode(TAGS, payload)
    assert "a message is damaged" in str(raised.value)
    assert " at byte " in str(raised.value)


def test_a_lone_ascii_str_is_checked() -> None:
    """The message that is one str must be ASCII."""
    with pytest.raises(ValueError, match="above 127"):
        _decode(ASCII_OBJECT, b"caf\xc3\xa9")


@pytest.mark.parametrize("kind", [0, 6, 255, 65535])
def test_an_unknown_kind_is_refused(kind: int) -> None:
    """A kind that this version does not know is named in the error."""
    with pytest.raises(ValueError, match=f"kind {kind} "):
        _decode(kind, b"")


@pytest.mark.parametrize("kind", [-1, 65536])
def test_a_kind_that_no_header_can_hold_is_refused(kind: int) -> None:
    """The kind is a number of 16 bits."""
    with pytest.raises(ValueError, match="0 to 65535"):
        _decode(kind, b"")


def test_wrong_arguments_are_refused() -> None:
    """The functions check the number and the types of what they get."""
    with pytest.raises(TypeError, match="2 or 3"):
        _decode(TAGS)
    with pytest.raises(TypeError, match="integer"):
        _decode("2", b"")
    with pytest.raises(TypeError, match="bytes-like"):
        _decode(TAGS, "text")
    with pytest.raises(TypeError):
        _decode(PICKLE, pickle.dumps(1), 5)


def test_every_truncation_of_a_message_raises() -> None:
    """However much of a message is missing at its end, ValueError comes."""
    kind, payload, _ = _encode(SAMPLE)
    assert kind == TAGS
    for size in range(len(payload)):
        with pytest.raises(ValueError, match="damaged"):
            _decode(TAGS, payload[:size])


def decode_or_value_error(payload: bytes) -> Any:
    """The value of the message if it has one; any error but ValueError goes through."""
    try:
        return _decode(TAGS, payload)
    except ValueError:
        return None


def test_changed_bytes_raise_or_make_a_proper_value() -> None:
    """After changes at random places there is ValueError, or a value that is sound in itself."""
    chance = random.Random(20)
    payload = _encode(SAMPLE)[1]
    for _ in range(20_000):
        damaged = bytearray(payload)
        for _ in range(chance.choice((1, 1, 2, 5))):
            damaged[chance.randrange(len(damaged))] = chance.choice((chance.randrange(256), 255, 0))
        value = decode_or_value_error(bytes(damaged))
        assert pickle.loads(pickle.dumps(value)) == value or "nan" in repr(value)


@given(st.lists(st.integers(0, 17) | st.integers(0, 255), max_size=60).map(bytes))
@settings(max_examples=2000, deadline=None)
@example(b"\x0e\xff\xff\xff\xff\x7f")
def test_any_bytes_raise_or_make_a_proper_value(payload: bytes) -> None:
    """Arbitrary bytes, rich in valid tags, never do more than raise ValueError."""
    value = decode_or_value_error(payload)
    assert isinstance(repr(value), str)


def test_decoded_strings_are_in_the_interpreters_form() -> None:
    """A string that was decoded is found in a dict by its equal, and has its size in memory."""
    for text in ("a", "é", "ab", "é" * 50, "€", "€uro", "😀", "a😀", "x" * 33):
        received = _decode(*_encode([text]))[0]
        assert {text: 1}[received] == 1
        assert sys.getsizeof(received) <= sys.getsizeof("".join([text, "x"])[:-1])


def test_strings_of_the_cache_are_never_mistaken() -> None:
    """Thousands of short strings, many of them in one place of the cache, come back right."""
    chance = random.Random(20)
    for _ in range(200):
        sent = [
            "".join(chance.choice("ab\x00\x7f") for _ in range(chance.randrange(35)))
            for _ in range(100)
        ]
        assert _decode(*_encode(sent)) == sent


def test_a_truncated_pickle_raises() -> None:
    """A pickle that ends early raises what the standard library raises for it."""
    kind, payload, _ = _encode({1, 2.5, "x" * 10_000})
    assert kind == PICKLE
    for size in (*range(100), 5000, len(payload) - 1):
        with pytest.raises((pickle.UnpicklingError, EOFError, ValueError)):
            _decode(PICKLE, payload[:size])


def test_missing_buffers_raise() -> None:
    """A pickle whose out-of-band buffers did not come is refused."""
    kind, payload, buffers = _encode([pickle.PickleBuffer(bytes(50_000))])
    assert (kind, len(buffers)) == (PICKLE, 1)
    for wrong in (None, [], ()):
        with pytest.raises(pickle.UnpicklingError, match="buffers"):
            _decode(PICKLE, payload, wrong)
