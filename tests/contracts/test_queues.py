"""The queues' contract, for each kind of queue on the transport at hand."""

from __future__ import annotations

from tests.contracts.queue_contract import JoinableContract, QueueContract


class TestQueue(QueueContract):
    kind = "Queue"


class TestJoinableQueue(QueueContract, JoinableContract):
    kind = "JoinableQueue"
