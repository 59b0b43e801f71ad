"""The contract of SimpleQueue on the transport at hand."""

from __future__ import annotations

from tests.contracts.simple_queue_contract import SimpleQueueContract


class TestSimpleQueue(SimpleQueueContract):
    pass
