"""What every pipe promises within a process, whatever its transport."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import select
import threading
import time
from array import array
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from tests.contracts.objects import BORDERS, EVERYDAY_OBJECTS, Unloadable, Unpicklable
from tests.contracts.outcomes import outcome
from tests.contracts.pipe_calls import RIGHT_CALLS, WRONG_CALLS
from tests.waiting import HANG_GUARD_SECONDS

Ends = tuple[Any, Any]


class PipeContract:
    """Instantiate as a test class."""

    @pytest.fixture
    def pipe(self, any_context: BaseContext) -> Iterator[Ends]:
        """Two ends, both of which send and receive."""
        ends = any_context.Pipe()
        yield ends
        _close(*ends)

    @pytest.fixture
    def one_way(self, any_context: BaseContext) -> Iterator[Ends]:
        """(receiver, sender)."""
        ends = any_context.Pipe(duplex=False)
        yield ends
        _close(*ends)

    @pytest.fixture
    def standard(self) -> Iterator[Ends]:
        """The standard library's (receiver, sender), to compare with."""
        ends = multiprocessing.connection.Pipe(duplex=False)
        yield ends
        _close(*ends)

    # --- objects

    def test_ends_are_standard_connections(self, pipe: Ends) -> None:
        """Both ends are instances of multiprocessing.connection.Connection."""
        for end in pipe:
            assert isinstance(end, multiprocessing.connection.Connection)

    @pytest.mark.parametrize("obj", EVERYDAY_OBJECTS, ids=repr)
    def test_gives_back_equal_objects_of_the_same_type(self, pipe: Ends, obj: Any) -> None:
        """What is received equals what was sent, both ways."""
        for sender, receiver in (pipe, pipe[::-1]):
            sender.send(obj)
            got = receiver.recv()
            assert type(got) is type(obj)
            assert repr(got) == repr(obj)

    def test_carries_messages_of_every_size(self, pipe: Ends) -> None:
        """Sizes around every internal border arrive whole and in order."""
        sender = threading.Thread(
            target=lambda: [pipe[0].send_bytes(b"x" * size) for size in BORDERS]
        )
        sender.start()
        assert [len(pipe[1].recv_bytes()) for _ in BORDERS] == BORDERS
        sender.join(HANG_GUARD_SECONDS)

    def test_carries_100_mb(self, pipe: Ends) -> None:
        """A message of 100 MB goes both ways, unharmed."""
        payload = bytes(range(250)) * 400_000
        for sender, receiver in (pipe, pipe[::-1]):
            thread = threading.Thread(target=sender.send, args=(payload,))
            thread.start()
            assert receiver.recv() == payload
            thread.join(HANG_GUARD_SECONDS)

    def test_both_directions_are_independent(self, pipe: Ends) -> None:
        """Messages of one direction do not get into the other."""
        first, second = pipe
        for index in range(50):
            first.send(index)
            second.send(-index)
        assert [second.recv() for _ in range(50)] == list(range(50))
        assert [first.recv() for _ in range(50)] == [-index for index in range(50)]

    def test_one_way_ends_know_their_direction(self, pipe: Ends, one_way: Ends) -> None:
        """An end's readable and writable say what an end can do."""
        assert [(end.readable, end.writable) for end in pipe] == [(True, True)] * 2
        assert [(end.readable, end.writable) for end in one_way] == [(True, False), (False, True)]

    # --- bytes

    def test_bytes_and_objects_share_the_line(self, one_way: Ends) -> None:
        """send_bytes of a pickled object can be received as that object."""
        receiver, sender = one_way
        sender.send_bytes(b"raw")
        assert receiver.recv_bytes() == b"raw"
        sender.send_bytes(multiprocessing.reduction.ForkingPickler.dumps({"a": 1}))
        assert receiver.recv() == {"a": 1}

    def test_an_object_can_be_received_as_bytes(self, one_way: Ends) -> None:
        """recv_bytes of an object gives bytes that the standard pickler loads."""
        receiver, sender = one_way
        sender.send([1, "two"])
        assert multiprocessing.reduction.ForkingPickler.loads(receiver.recv_bytes()) == [1, "two"]

    @pytest.mark.parametrize(
        ("args", "expected"),
        [
            ((b"hello",), b"hello"),
            ((b"hello", 2), b"llo"),
            ((b"hello", 1, 3), b"ell"),
            ((b"hello", 5), b""),
            ((b"hello", 0, 0), b""),
            ((bytearray(b"hello"),), b"hello"),
            ((memoryview(b"hello")[1:],), b"ello"),
            ((array("i", [1, 2]),), array("i", [1, 2]).tobytes()),
            ((array("i", [1, 2]), 4, 2), array("i", [1, 2]).tobytes()[4:6]),
        ],
    )
    def test_send_bytes_of_a_part(
        self, one_way: Ends, args: tuple[Any, ...], expected: bytes
    ) -> None:
        """send_bytes takes any buffer, an offset and a size, counted in bytes."""
        receiver, sender = one_way
        sender.send_bytes(*args)
        assert receiver.recv_bytes() == expected

    def test_recv_bytes_into_a_buffer(self, one_way: Ends) -> None:
        """recv_bytes_into writes at the offset, leaves the rest alone, and says how much."""
        receiver, sender = one_way
        target = bytearray(b".........")
        sender.send_bytes(b"hello")
        assert receiver.recv_bytes_into(target, 2) == 5
        assert target == b"..hello.."
        numbers = array("i", [0, 0, 0])
        sender.send_bytes(array("i", [7, 8]).tobytes())
        assert receiver.recv_bytes_into(numbers, numbers.itemsize) == 2 * numbers.itemsize
        assert numbers.tolist() == [0, 7, 8]
        sender.send_bytes(b"")
        assert receiver.recv_bytes_into(bytearray()) == 0

    @pytest.mark.parametrize(("size", "room", "offset"), [(10, 9, 0), (10, 12, 3), (70_000, 1, 1)])
    def test_buffer_too_short_hands_over_the_message(
        self, one_way: Ends, size: int, room: int, offset: int
    ) -> None:
        """BufferTooShort carries the whole message, and the connection stays usable."""
        receiver, sender = one_way
        payload = b"m" * size
        thread = threading.Thread(target=sender.send_bytes, args=(payload,))
        thread.start()
        with pytest.raises(multiprocessing.BufferTooShort) as error:
            receiver.recv_bytes_into(bytearray(room), offset)
        thread.join(HANG_GUARD_SECONDS)
        assert error.value.args == (payload,)
        sender.send("usable")
        assert receiver.recv() == "usable"

    @pytest.mark.parametrize("limit", [5, 6, None])
    def test_maxlength_that_suffices(self, one_way: Ends, limit: int | None) -> None:
        """recv_bytes(maxlength) gives a message that is not longer."""
        receiver, sender = one_way
        sender.send_bytes(b"hello")
        assert receiver.recv_bytes(limit) == b"hello"

    def test_a_message_longer_than_maxlength_ends_reading(
        self, pipe: Ends, one_way: Ends, standard: Ends
    ) -> None:
        """As in the standard library: OSError, and the end cannot be read any more."""
        texts = []
        for receiver, sender in (one_way, standard):
            sender.send_bytes(b"hello")
            with pytest.raises(OSError, match="bad message length") as error:
                receiver.recv_bytes(4)
            texts.append(str(error.value))
            assert receiver.closed
        assert texts[0] == texts[1]
        first, second = pipe
        second.send_bytes(b"hello")
        with pytest.raises(OSError, match="bad message length"):
            first.recv_bytes(4)
        assert (first.closed, first.readable, first.writable) == (False, False, True)

    # --- bad input

    @pytest.mark.parametrize(("method", "args"), WRONG_CALLS)
    def test_wrong_calls_raise_as_in_the_standard_library(
        self, one_way: Ends, standard: Ends, method: str, args: tuple[Any, ...]
    ) -> None:
        """The same call raises the same type as on a standard pipe.

        On the end that cannot do it at all, either that or the arguments may be named.
        """
        right, wrong = (1, 0) if method.startswith("send") else (0, 1)
        for ends in (standard, one_way):
            ends[1].send_bytes(b"message")
        expected = outcome(getattr(standard[right], method), *args)
        got = outcome(getattr(one_way[right], method), *args)
        assert got[0] is expected[0], got[1]
        if expected[0] is ValueError:
            assert got[1] == expected[1]
        at_wrong_end = outcome(getattr(one_way[wrong], method), *args)[0]
        assert at_wrong_end in (expected[0], OSError, TypeError)

    @pytest.mark.parametrize(("method", "args"), RIGHT_CALLS)
    def test_closed_end_says_so(
        self, pipe: Ends, standard: Ends, method: str, args: tuple[Any, ...]
    ) -> None:
        """A closed end raises OSError with the standard text, and may be closed again."""
        for end in (*pipe, *standard):
            assert not end.closed
            end.close()
            end.close()
            assert end.closed
        expected = outcome(getattr(standard[0], method), *args)
        assert expected == (OSError, "handle is closed")
        assert outcome(getattr(pipe[0], method), *args) == expected

    @pytest.mark.parametrize("obj", [Unpicklable(), [1, Unpicklable()], threading.Lock()])
    def test_unpicklable_raises_in_the_caller(self, pipe: Ends, obj: Any) -> None:
        """What cannot be pickled raises in send() and leaves the pipe usable."""
        with pytest.raises((RuntimeError, TypeError)):
            pipe[0].send(obj)
        assert not pipe[1].poll()
        pipe[0].send("usable")
        assert pipe[1].recv() == "usable"

    def test_unloadable_raises_in_recv(self, pipe: Ends) -> None:
        """What cannot be unpickled raises in recv() and leaves the pipe usable."""
        pipe[0].send(Unloadable())
        pipe[0].send("next")
        with pytest.raises(RuntimeError, match="will not be unpickled"):
            pipe[1].recv()
        assert pipe[1].recv() == "next"

    def test_standard_authentication_runs_over_it(self, pipe: Ends) -> None:
        """The standard library's helpers for connections take ours."""
        first, second = pipe

        def prove() -> None:
            multiprocessing.connection.answer_challenge(second, b"secret")
            multiprocessing.connection.deliver_challenge(second, b"secret")

        thread = threading.Thread(target=prove)
        thread.start()
        multiprocessing.connection.deliver_challenge(first, b"secret")
        multiprocessing.connection.answer_challenge(first, b"secret")
        thread.join(HANG_GUARD_SECONDS)
        assert not first.poll()

    def test_has_the_private_names_that_programs_read(self, pipe: Ends) -> None:
        """_handle, _send_bytes and _recv_bytes work as on the standard class."""
        first, second = pipe
        assert first._handle == first.fileno()
        first._send_bytes(b"hello")
        received = second._recv_bytes()
        assert received.getvalue() == b"hello"
        assert received.tell() == 5
        first.close()
        assert first._handle is None

    # --- waiting and readiness

    def test_poll_says_whether_there_is_a_message(self, pipe: Ends) -> None:
        """poll() is False without a message, not before its time-out, and True with one."""
        first, second = pipe
        assert first.poll() is False
        assert first.poll(0) is False
        assert first.poll(-1) is False
        begin = time.monotonic()
        assert first.poll(0.05) is False
        assert time.monotonic() - begin >= 0.05
        second.send(1)
        assert first.poll() is True
        assert first.poll(None) is True
        assert first.poll(timeout=5) is True
        first.recv()
        assert first.poll() is False

    def test_poll_wakes_when_a_message_comes(self, pipe: Ends) -> None:
        """A thread in poll(None) goes on when the other side sends."""
        got: list[bool] = []
        waiting = threading.Thread(target=lambda: got.append(pipe[0].poll(None)))
        waiting.start()
        pipe[1].send(1)
        waiting.join(HANG_GUARD_SECONDS)
        assert got == [True]

    def test_recv_wakes_when_a_message_comes(self, pipe: Ends) -> None:
        """A thread in recv() gets what the other side sends."""
        got: list[Any] = []
        waiting = threading.Thread(target=lambda: got.append(pipe[0].recv()))
        waiting.start()
        pipe[1].send("hello")
        waiting.join(HANG_GUARD_SECONDS)
        assert got == ["hello"]

    def test_descriptor_is_readable_while_there_is_a_message(self, pipe: Ends) -> None:
        """select() calls an end readable exactly while a message, or the end of file, is there."""

        def readable() -> bool:
            return bool(select.select([pipe[0]], [], [], 0)[0])

        assert not readable()
        pipe[1].send(1)
        pipe[1].send(2)
        assert readable()
        pipe[0].recv()
        assert readable()
        pipe[0].recv()
        assert not readable()
        pipe[1].close()
        assert readable()

    # --- the end

    def test_end_of_file_comes_after_what_is_left(self, pipe: Ends) -> None:
        """When the other end is closed, recv() gives what is left, then EOFError each time."""
        first, second = pipe
        for index in range(5):
            second.send(index)
        second.close()
        assert [first.recv() for _ in range(5)] == list(range(5))
        for _ in range(2):
            assert first.poll()
            with pytest.raises(EOFError):
                first.recv()
        with pytest.raises(EOFError):
            first.recv_bytes()
        with pytest.raises(EOFError):
            first.recv_bytes_into(bytearray(1))

    def test_end_of_file_wakes_a_waiting_thread(self, pipe: Ends) -> None:
        """A thread in recv() gets EOFError when the other end is closed."""
        got: list[Any] = []
        waiting = threading.Thread(target=lambda: got.append(outcome(pipe[0].recv)[0]))
        waiting.start()
        pipe[1].close()
        waiting.join(HANG_GUARD_SECONDS)
        assert got == [EOFError]

    def test_sending_to_nobody_breaks_the_pipe(self, pipe: Ends, one_way: Ends) -> None:
        """send() raises BrokenPipeError when the other end is closed."""
        pipe[1].close()
        one_way[0].close()
        for sender in (pipe[0], one_way[1]):
            for _ in range(3):
                with pytest.raises(BrokenPipeError):
                    sender.send(1)
                with pytest.raises(BrokenPipeError):
                    sender.send_bytes(b"x" * 100_000)

    def test_a_dropped_end_is_a_closed_end(self, any_context: BaseContext) -> None:
        """An end that nobody refers to any more is closed."""
        first, second = any_context.Pipe()
        del second
        with pytest.raises(EOFError):
            first.recv()

    def test_context_manager_closes(self, pipe: Ends) -> None:
        """``with`` closes the end."""
        with pipe[0] as end:
            assert end is pipe[0]
        assert pipe[0].closed


def _close(*ends: Any) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.close()
