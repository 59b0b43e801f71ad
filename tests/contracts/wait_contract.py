"""What ``wait`` promises: the objects that are ready, whatever their kinds and their number."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing import connection
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from procession._engine.ipc.transport import wait
from tests.contracts import children
from tests.contracts.conftest import Start
from tests.waiting import HANG_GUARD_SECONDS


class WaitContract:
    """Instantiate as a test class."""

    @pytest.fixture
    def keep(self) -> Iterator[ExitStack]:
        """Closes with the test what is entered into it."""
        with ExitStack() as stack:
            yield stack

    def test_nothing_ready_returns_an_empty_list_in_time(self, any_context: BaseContext) -> None:
        """Without a ready object, wait returns [] and not before its time-out."""
        line, ends = any_context.Queue(), any_context.Pipe()
        objects: list[Any] = [line, *ends]
        assert wait(objects, 0) == []
        assert wait(objects, -1) == []
        begin = time.monotonic()
        assert wait(objects, 0.05) == []
        assert time.monotonic() - begin >= 0.05
        for each in objects:
            each.close()

    def test_returns_all_that_are_ready(self, any_context: BaseContext) -> None:
        """Every ready object is returned, and no other."""
        lines: list[Any] = [any_context.Queue() for _ in range(4)]
        pipes: list[Any] = [any_context.Pipe() for _ in range(4)]
        lines[1].put(1)
        lines[3].put(None)
        pipes[0][1].send("x")
        pipes[2][1].close()
        ready = wait([*lines, *(first for first, _ in pipes)], 5)
        expected = [lines[1], lines[3], pipes[0][0], pipes[2][0]]
        assert sorted(map(id, ready)) == sorted(map(id, expected))
        lines[1].get()
        assert lines[1] not in wait(lines, 0)

    @pytest.mark.parametrize("kind", [list, tuple, set, iter])
    def test_takes_any_iterable(self, any_context: BaseContext, kind: Any) -> None:
        """The objects may come as a list, a tuple, a set, a dictionary's view, an iterator."""
        first, second = any_context.Pipe()
        second.send(1)
        assert wait(kind([first, second]), 1) == [first]
        assert wait({first: 1}.keys(), 1) == [first]

    def test_waits_for_mixed_objects(
        self, context: BaseContext, start: Start, keep: ExitStack
    ) -> None:
        """Queues, connections, sockets, descriptors and sentinels stand in one list."""
        near, far = (keep.enter_context(end) for end in socket.socketpair())
        read_end, write_end = os.pipe()
        keep.callback(os.close, read_end)
        keep.callback(os.close, write_end)
        ours, theirs = context.Pipe()
        line: Any = context.Queue()
        child = start(children.echo, theirs)
        objects = [near, read_end, ours, line, child.sentinel]
        assert wait(objects, 0) == []
        far.send(b"x")
        assert wait(objects, 5) == [near]
        near.recv(1)
        os.write(write_end, b"x")
        assert wait(objects, 5) == [read_end]
        os.read(read_end, 1)
        line.put(1)
        assert wait(objects, 5) == [line]
        line.get()
        ours.send(1)
        assert wait(objects, HANG_GUARD_SECONDS) == [ours]
        ours.recv()
        child.kill()
        assert wait([near, read_end, line, child.sentinel], HANG_GUARD_SECONDS) == [child.sentinel]

    def test_keeps_the_order_and_what_stands_there_twice(self, any_context: BaseContext) -> None:
        """What is ready comes in the order of the list, and as often as it stands there."""
        line: Any = any_context.Queue()
        first, second = any_context.Pipe()
        line.put(1)
        second.send(1)
        assert wait([first, line, second, first], 1) == [first, line, first]

    def test_refuses_what_is_closed_or_cannot_be_waited_for(self, any_context: BaseContext) -> None:
        """A closed object or one without a descriptor raises, beside others that are ready."""
        line: Any = any_context.Queue()
        simple: Any = any_context.SimpleQueue()
        first, second = any_context.Pipe()
        second.send(1)
        line.close()
        simple.close()
        assert wait([first], 1) == [first]
        for refused in (line, simple, object(), -1):
            with pytest.raises((OSError, ValueError)):
                wait([first, refused], 1)
        for refused in ("text", None, 5.5, [first]):
            with pytest.raises(ValueError, match=r"cannot wait for .*: wait\(\) takes"):
                wait([refused], 0)
        first.close()
        with pytest.raises(OSError, match="closed"):
            wait([second, first], 1)
        second.close()

    def test_finds_the_end_of_a_connection_beside_a_message(self, any_context: BaseContext) -> None:
        """A connection at its end is among the ready ones, though another has a message."""
        line: Any = any_context.Queue()
        ours, theirs = any_context.Pipe()
        sender, receiver = any_context.Pipe()
        theirs.close()
        sender.send(1)
        line.put(1)
        assert wait([line, receiver, ours], 1) == [line, receiver, ours]
        receiver.recv()
        line.get()
        assert wait([line, receiver, ours], 1) == [ours]

    def test_is_understood_by_the_standard_wait(self, any_context: BaseContext) -> None:
        """The standard library's wait takes our queues and connections as well."""
        line: Any = any_context.Queue()
        first, second = any_context.Pipe()
        line.put(1)
        second.send(1)
        ready: list[Any] = connection.wait([line, first, second], 5)
        assert sorted(map(id, ready)) == sorted(map(id, [line, first]))

    def test_wakes_when_an_object_becomes_ready(self, any_context: BaseContext) -> None:
        """A thread in wait(None) goes on when one of many objects becomes ready."""
        lines: list[Any] = [any_context.Queue() for _ in range(10)]
        got: list[Any] = []
        waiting = threading.Thread(target=lambda: got.extend(wait(lines)))
        waiting.start()
        lines[7].put("hello")
        waiting.join(HANG_GUARD_SECONDS)
        assert got == [lines[7]]

    def test_many_waiters_on_one_queue(self, any_context: BaseContext) -> None:
        """Threads that wait for one queue and then take: each gets one message, none hangs."""
        line: Any = any_context.Queue()
        got: list[Any] = []

        def take() -> None:
            while True:
                assert wait([line]) == [line]
                with contextlib.suppress(queue.Empty):  # another was faster
                    got.append(line.get_nowait())
                    return

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for index in range(4):
            line.put(index)
        for thread in threads:
            thread.join(HANG_GUARD_SECONDS)
        assert sorted(got) == [0, 1, 2, 3]

    @pytest.mark.timeout(60)
    def test_takes_a_thousand_connections(self, any_context: BaseContext) -> None:
        """Among 1,000 connections the ready ones are found."""
        pipes: list[Any] = [_small_pipe(any_context) for _ in range(_affordable(1_000))]
        receivers = [receiver for receiver, _ in pipes]
        assert wait(receivers, 0) == []
        for index in (0, 7, len(pipes) - 1):
            pipes[index][1].send(index)
        ready = wait(receivers, 5)
        assert sorted(map(receivers.index, ready)) == [0, 7, len(pipes) - 1]


def _small_pipe(context: BaseContext) -> Any:
    return context.Pipe(duplex=False)


def _affordable(count: int) -> int:
    """As many pipes, at most ``count``, as this process may have descriptors for."""
    try:
        import resource
    except ImportError:
        return min(count, 200)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = 100
    return max(10, min(count, (soft - used) // 6)) if soft != resource.RLIM_INFINITY else count
