"""What big buffers promise: equal, writable, and gone when their last user is.

Where the transport has ``OUT_OF_BAND_BUFFERS``, what is received stands in shared memory; where
it has not, in memory of the receiver's own.
"""

from __future__ import annotations

import gc
import os
import pickle
import threading
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from procession._engine.ipc import transport
from tests.contracts import children
from tests.contracts.conftest import Start

numpy: Any = pytest.importorskip("numpy")

GIGANTIC = 3 << 30


def available_bytes() -> int:
    """Return how much memory may be used without harm, as far as the system tells."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0


SHAPES = [(0,), (1,), (1_000,), (250_000,), (512, 513)]


class BuffersContract:
    """Instantiate as a test class."""

    @pytest.fixture
    def line(self, any_context: BaseContext) -> Iterator[Any]:
        """A queue in this process."""
        made: Any = any_context.Queue()
        yield made
        made.close()

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("dtype", ["int64", "float32", "complex128", "bool", "S5"])
    def test_arrays_arrive_equal_and_writable(
        self, line: Any, shape: tuple[int, ...], dtype: str
    ) -> None:
        """An array comes out with its values, shape and type, and can be written to."""
        array = numpy.arange(numpy.prod(shape)).reshape(shape).astype(dtype)
        line.put(array)
        got = line.get()
        assert got.dtype == array.dtype
        assert got.shape == array.shape
        assert (got == array).all()
        assert got.flags.writeable
        got[...] = numpy.zeros((), dtype)
        line.put(array)
        assert (line.get() == array).all()

    def test_arrays_that_do_not_lie_in_one_piece(self, line: Any) -> None:
        """Slices, transposes and columns arrive equal."""
        base = numpy.arange(300_000.0).reshape(300, 1_000)
        views = [base[::3], base[:, 5], base.T, base[::-1, ::-2], numpy.asfortranarray(base)]
        for view in views:
            line.put(view)
            assert (line.get() == view).all()

    def test_arrays_inside_of_other_objects(self, any_context: BaseContext) -> None:
        """Arrays in dictionaries and lists arrive, one that occurs twice as one."""
        ours, theirs = any_context.Pipe()
        big = numpy.ones(20_000)
        ours.send({"a": big, "b": [big, numpy.arange(3)], "c": "text"})
        got = theirs.recv()
        assert (got["a"] == big).all()
        assert got["b"][0] is got["a"]
        assert got["b"][1].tolist() == [0, 1, 2]
        assert got["c"] == "text"
        ours.close()
        theirs.close()

    def test_what_was_received_stays_when_the_queue_is_closed(
        self, any_context: BaseContext
    ) -> None:
        """An array outlives the queue that it came through, and later messages."""
        line: Any = any_context.Queue()
        first = numpy.arange(300_000)
        line.put(first)
        line.put(numpy.zeros(300_000))
        got, _ = line.get(), line.get()
        line.put(numpy.ones(300_000))
        line.get()
        line.close()
        del line
        gc.collect()
        assert (got == first).all()

    def test_a_child_sends_an_array(self, context: BaseContext, start: Start) -> None:
        """An array of a process that has ended is whole and writable."""
        line: Any = context.Queue()
        child = start(children.put_array, line, 1_000_000)
        child.join(60)
        got = line.get(timeout=30)
        assert (got == numpy.arange(1_000_000)).all()
        got += 1
        assert got[-1] == 1_000_000

    def test_pickle_buffers_arrive_as_buffers(self, line: Any) -> None:
        """A PickleBuffer of any size arrives as an object with the same bytes."""
        for size in (1, 100_000):
            payload = bytearray(b"p" * size)
            line.put(pickle.PickleBuffer(payload))
            assert bytes(line.get()) == bytes(payload)

    @pytest.mark.skipif(
        not transport.OUT_OF_BAND_BUFFERS, reason="this transport copies into private memory"
    )
    def test_received_arrays_stand_in_shared_memory(self, line: Any) -> None:
        """The array that is received is a view of a block, which goes back when it dies."""
        from procession._engine import native

        before = line.memory()["blocks"]
        line.put(numpy.arange(1_000_000))
        got = line.get()
        owner = got
        while isinstance(owner, numpy.ndarray):
            owner = owner.base
        owner = owner.obj if isinstance(owner, memoryview) else owner
        assert isinstance(owner, native.Buffer)
        assert line.memory()["blocks"] > before
        view = got[10:20]
        del got, owner
        assert view.tolist() == list(range(10, 20))
        assert line.memory()["blocks"] > before
        del view
        assert line.memory()["blocks"] == before

    @pytest.mark.timeout(600)  # the portable transport copies it several times
    def test_gigantic_objects_pass(self, line: Any) -> None:
        """An object of 3 GiB, more than 32 bits can count, goes through a queue and a pipe."""
        if available_bytes() < 5 * GIGANTIC:  # now, not when this file was imported
            pytest.skip("needs five times 3 GiB of free memory")
        first, second = transport.Pipe()
        array = numpy.zeros(GIGANTIC, dtype="uint8")
        array[[0, 2**31, 2**32 // 2 + 5, -1]] = (1, 2, 3, 4)
        for send, receive in ((line.put, line.get), (first.send, second.recv)):
            sending = threading.Thread(target=send, args=(array,))
            sending.start()
            got = receive()
            sending.join()
            assert got.nbytes == GIGANTIC
            assert list(got[[0, 2**31, 2**32 // 2 + 5, -1]]) == [1, 2, 3, 4]
            assert int(got.sum(dtype="uint64")) == 10
            del got
        first.close()
        second.close()
