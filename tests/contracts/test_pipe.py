"""The pipes' contracts on the transport at hand."""

from __future__ import annotations

from tests.contracts.pipe_contract import PipeContract
from tests.contracts.pipe_process_contract import PipeProcessContract


class TestPipe(PipeContract, PipeProcessContract):
    pass
