"""The serializer and big memory: buffers out of band, and what happens to the rest.

A large contiguous buffer is not copied into the pickle; the message names it, and the receiver's
object is backed by whatever memory the buffer arrived in.
"""

from __future__ import annotations

import array
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

from procession._native import _decode, _encode

pytestmark = pytest.mark.usefixtures("codec_alone")

PICKLE = 3
OUT_OF_BAND_MIN = 32 * 1024


def round_trip(obj: Any) -> Any:
    """The object as another process would get it."""
    return _decode(*_encode(obj))


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
