"""The contract of wait on the transport at hand."""

from __future__ import annotations

from tests.contracts.wait_contract import WaitContract


class TestWait(WaitContract):
    pass
