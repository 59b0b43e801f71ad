"""The contract with asyncio on the transport at hand."""

from __future__ import annotations

from tests.contracts.asyncio_contract import AsyncioContract


class TestAsyncio(AsyncioContract):
    pass
