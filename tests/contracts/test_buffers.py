"""The contract of big buffers on the transport at hand."""

from __future__ import annotations

from tests.contracts.buffers_contract import BuffersContract


class TestBuffers(BuffersContract):
    pass
