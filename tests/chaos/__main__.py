"""The long form: calls of all kinds, under every start method, through thousands of kills.

``make chaos``, or ``python -m tests.chaos --kills 3000 --seed 7``.  Prints one line for each
pool, and ends with status 1 at the first task that cannot be accounted for.

A point at which workers die has a round of its own, so a short run sees the first few points
only.  A long run in pieces: ``--kills 500``, then ``--first`` with the number after the last
line's, and so on.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from pathlib import Path

import procession
from procession._engine.ipc import transport
from tests.chaos.campaign import Campaign, Killer, exposed_pool

BOMBS = 20
KILLS_BY_SIGNAL = 60
POINTS: tuple[str, ...] = ()

if transport.NAME == "native":
    from procession._engine.native import KILL_POINTS

    # Those of locks and their kin that a worker does not pass kill nobody.
    POINTS = KILL_POINTS


def survive_points(method: str, folder: Path, rng: random.Random, point: str) -> tuple[int, str]:
    """Have workers die at a point; returns how many did, and what came of it."""
    with exposed_pool(procession.get_context(method), folder, 3, point, BOMBS) as (pool, trace):
        campaign = Campaign(pool, trace, rng.randrange(2**32))
        for _ in range(8):
            campaign.round(rng.randrange(1, 150), rng.choice([0, 1, 3]))
        living = {process.pid for process in pool._pool if process.is_alive()}
        armed = [int(token.read_text()) for token in (folder / "tokens").iterdir()]
    return sum(pid not in living for pid in armed), told(campaign)


def survive_signals(method: str, folder: Path, rng: random.Random) -> tuple[int, str]:
    """Send signals to workers at random; returns how many, and what came of it."""
    with exposed_pool(procession.get_context(method), folder, 3) as (pool, trace):
        campaign = Campaign(pool, trace, rng.randrange(2**32))
        pause = rng.choice([0.002, 0.01, 0.05]) * (1 if method == "fork" else 4)
        killer = Killer(pool, rng.randrange(2**32), pause, KILLS_BY_SIGNAL)
        killer.start()
        try:
            while killer.is_alive():
                campaign.round(rng.randrange(1, 400), rng.choice([0, 1, 3, 1000]))
        finally:
            killer.stop()
    return killer.kills, told(campaign)


def told(campaign: Campaign) -> str:
    return f"{campaign.done} tasks done, {campaign.died} died with their workers"


def main() -> int:
    """Run until the number of kills is reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--first", type=int, default=0, help="the round to begin with")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    methods = multiprocessing.get_all_start_methods()
    print(f"seed {options.seed}, transport {transport.NAME}", flush=True)
    kills, number = 0, options.first
    while kills < options.kills:
        method = methods[number % len(methods)]
        point = POINTS[number // 2 % len(POINTS)] if POINTS and number % 2 else ""
        with tempfile.TemporaryDirectory() as folder:
            if point:
                count, outcome = survive_points(method, Path(folder), rng, point)
            else:
                count, outcome = survive_signals(method, Path(folder), rng)
        kills += count
        step = point or "signals"
        print(f"{number:4} {kills:6} kills  {method:10} {step:22} {outcome}", flush=True)
        number += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
