"""The contract with signals on the transport at hand."""

from __future__ import annotations

from tests.contracts.interrupt_contract import InterruptContract


class TestInterrupts(InterruptContract):
    pass
