"""A pool whose workers are killed everywhere: every task is accounted for.

The long form is ``make chaos``.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest

import procession
from procession._engine.ipc import transport
from tests.chaos.campaign import KINDS, Campaign, Killer, exposed_pool

FORK = multiprocessing.get_all_start_methods()[0]


if transport.NAME == "native":
    from procession._engine.native import KILL_POINTS

    @pytest.mark.parametrize("point", KILL_POINTS)
    def test_killed_at_a_point(point: str, tmp_path: Path) -> None:
        """Three workers die at the point, the second time, the third: every task ends once."""
        kind = KILL_POINTS.index(point)
        with exposed_pool(procession.get_context(FORK), tmp_path, point=point, bombs=3) as (
            pool,
            trace,
        ):
            campaign = Campaign(pool, trace, seed=kind)
            campaign.round(30, retries=1, kind=kind)
            campaign.round(12, retries=0, kind=kind + 1)
            campaign.round(12, retries=8, kind=kind + 2)
            assert campaign.done + campaign.died == 54


@pytest.mark.parametrize("retries", [0, 1, 100])
def test_killed_at_random(context: BaseContext, tmp_path: Path, retries: int) -> None:
    """SIGKILL, SIGSEGV, SIGSTOP and SIGCONT at any moment of any call: every task ends once."""
    with exposed_pool(context, tmp_path, 3) as (pool, trace):
        campaign = Campaign(pool, trace, seed=retries)
        killer = Killer(pool, seed=retries, pause=0.02, most=40)
        killer.start()
        try:
            for kind in range(len(KINDS)):
                campaign.round(60, retries, kind)
        finally:
            killer.stop()
        campaign.round(20, retries=0)
        assert campaign.done + campaign.died == 60 * len(KINDS) + 20
