"""The pipes' contract on the transport at hand."""

from __future__ import annotations

from tests.contracts.pipe_contract import PipeContract


class TestPipe(PipeContract):
    pass
