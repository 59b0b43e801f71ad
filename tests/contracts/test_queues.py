"""The queues' contracts, for each kind of queue on the transport at hand."""

from __future__ import annotations

from tests.contracts.batches_contract import BatchesContract
from tests.contracts.joinable_contract import JoinableContract
from tests.contracts.queue_contract import QueueContract
from tests.contracts.queue_process_contract import QueueProcessContract


class TestQueue(QueueContract, BatchesContract, QueueProcessContract):
    kind = "Queue"


class TestJoinableQueue(QueueContract, BatchesContract, QueueProcessContract, JoinableContract):
    kind = "JoinableQueue"
