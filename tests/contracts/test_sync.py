"""The contract of locks and their kin, on the transport at hand."""

from __future__ import annotations

from procession._engine.ipc import transport
from tests.contracts.sync_contract import ConditionContract, LockContract
from tests.contracts.sync_death_contract import DeathContract


class TestLocks(LockContract):
    pass


class TestConditions(ConditionContract):
    pass


if transport.NAME == "native":

    class TestDeaths(DeathContract):
        pass
