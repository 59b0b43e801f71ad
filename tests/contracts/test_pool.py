"""The pool's contract, under every start method."""

from __future__ import annotations

from tests.contracts.pool_contract import StandardInterface, pool
from tests.contracts.pool_hard_cases_contract import WhateverUsersThrowAtIt

__all__ = ["pool"]


class TestStandardInterface(StandardInterface):
    """The standard interface."""


class TestWhateverUsersThrowAtIt(WhateverUsersThrowAtIt):
    """Hard cases."""
