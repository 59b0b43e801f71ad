"""What every pipe promises between processes, under every start method."""

from __future__ import annotations

import signal
from multiprocessing.context import BaseContext

import pytest

from procession._engine.ipc import transport
from tests.contracts import children
from tests.contracts.conftest import Start
from tests.contracts.objects import BORDERS
from tests.waiting import HANG_GUARD_SECONDS


class PipeProcessContract:
    """Instantiate as a test class."""

    def test_a_child_sends_and_closes(self, context: BaseContext, start: Start) -> None:
        """The parent gets what the child sent, then the end of file."""
        receiver, sender = context.Pipe(duplex=False)
        start(children.send_and_close, sender, [42, None, "hello"])
        sender.close()
        assert [receiver.recv() for _ in range(3)] == [42, None, "hello"]
        with pytest.raises(EOFError):
            receiver.recv()

    def test_a_child_echoes(self, context: BaseContext, start: Start) -> None:
        """Objects of many sizes go to a child and come back."""
        ours, theirs = context.Pipe()
        start(children.echo, theirs)
        for size in BORDERS:
            ours.send(b"e" * size)
            assert ours.recv() == b"e" * size

    def test_a_child_sees_the_end(self, context: BaseContext, start: Start) -> None:
        """A child gets the end of file when the parent closes, or drops, its end.

        A forked child has a copy of the parent's end; where the transport cannot see to that, it
        has to close it itself, as with the standard library.
        """
        inherits = context.get_start_method() == "fork"
        ours, theirs = context.Pipe()
        closes = inherits and not transport.EOF_DESPITE_INHERITED_ENDS
        child = start(children.close_and_echo, theirs, ours if closes else None)
        theirs.close()
        ours.send("alive")
        assert ours.recv() == "alive"
        ours.close()
        child.join(HANG_GUARD_SECONDS)
        assert child.exitcode == 0

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
    def test_a_killed_peer_is_a_closed_peer(self, context: BaseContext, start: Start) -> None:
        """When the process that holds the other end is killed, reading and writing end."""
        ours, theirs = context.Pipe()
        child = start(children.echo, theirs)
        theirs.close()
        ours.send("alive")
        assert ours.recv() == "alive"
        child.kill()
        with pytest.raises(EOFError):
            ours.recv()
        child.join(HANG_GUARD_SECONDS)  # the kernel closes one descriptor after the other
        with pytest.raises(BrokenPipeError):
            ours.send(1)

    def test_an_idle_sibling_does_not_hide_the_end(
        self, context: BaseContext, start: Start
    ) -> None:
        """A sibling that inherited an end without knowing does not keep it open.

        Where the transport cannot see to that (``EOF_DESPITE_INHERITED_ENDS``), the end of file
        comes when a forked sibling has ended.
        """
        stop, stopped = context.Pipe()
        ours, theirs = context.Pipe()
        worker = start(children.echo, theirs)
        sibling = start(children.idle_until_told, stopped)
        theirs.close()
        ours.send("alive")
        assert ours.recv() == "alive"
        worker.kill()
        worker.join(HANG_GUARD_SECONDS)
        if transport.EOF_DESPITE_INHERITED_ENDS:
            assert ours.poll(HANG_GUARD_SECONDS)
            assert sibling.is_alive()
        stop.send(None)
        sibling.join(HANG_GUARD_SECONDS)
        with pytest.raises(EOFError):
            ours.recv()

    def test_a_given_copy_counts(self, context: BaseContext, start: Start) -> None:
        """A sibling that was given the end keeps it open."""
        stop, stopped = context.Pipe()
        receiver, sender = context.Pipe(duplex=False)
        holder = start(children.hold_then_idle, sender, stopped)
        sender.close()
        assert receiver.recv() == "holding"
        assert not receiver.poll(0.05)
        stop.send(None)
        holder.join(HANG_GUARD_SECONDS)
        with pytest.raises(EOFError):
            receiver.recv()

    def test_travels_through_a_queue(self, context: BaseContext, start: Start) -> None:
        """A connection may be put into a queue."""
        line = context.Queue()
        receiver, sender = context.Pipe(duplex=False)
        child = start(children.use_connection_from_queue, line)
        line.put(sender)
        assert receiver.recv() == "by way of a queue"
        child.join(HANG_GUARD_SECONDS)
        sender.close()
        with pytest.raises(EOFError):
            receiver.recv()

    def test_travels_through_a_connection(self, context: BaseContext, start: Start) -> None:
        """Queues and connections may be sent through a connection."""
        ours, theirs = context.Pipe()
        receiver, sender = context.Pipe(duplex=False)
        inner = context.Queue()
        child = start(children.use_objects_from_connection, theirs)
        ours.send(inner)
        ours.send(sender)
        assert inner.get(timeout=30) == "queue by way of a connection"
        assert receiver.recv() == "connection by way of a connection"
        child.join(HANG_GUARD_SECONDS)
        assert child.exitcode == 0

    def test_a_child_sends_every_size(self, context: BaseContext, start: Start) -> None:
        """A child's messages, small and up to 10 MB, arrive whole."""
        receiver, sender = context.Pipe(duplex=False)
        sizes = [*BORDERS, 10_000_000]
        start(children.send_bytes_of_sizes, sender, sizes)
        for size in sizes:
            assert len(receiver.recv_bytes()) == size
