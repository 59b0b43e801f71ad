"""How sizes follow the measured time per task."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any

import pytest

from procession._engine.pool.policy import (
    LEAST_MESSAGE_SECONDS,
    LONGEST_MESSAGE_SECONDS,
    MESSAGE_SECONDS,
    Pace,
    usable_cpus,
)


def test_first_messages_carry_one_grain() -> None:
    """Nothing is known yet."""
    assert Pace(2, 1, eager=False).size(1000) == 1
    assert Pace(2, 7, eager=False).size(1000) == 7


def test_sizes_grow_step_by_step() -> None:
    """The first tasks may not be like the others."""
    pace = Pace(2, eager=False)
    pace.learn(1, 1e-7)

    assert [pace.size(10**9) for _ in range(3)] == [16, 256, 4096]


def test_long_tasks_travel_alone() -> None:
    """No worker hoards work."""
    pace = Pace(2, eager=False)
    pace.learn(1, MESSAGE_SECONDS * 2)

    assert pace.size(1000) == 1


def test_slower_than_thought_counts_at_once() -> None:
    """A message must not carry many tasks that turn out long."""
    pace = Pace(2, eager=False)
    pace.learn(100, 1e-4)
    before = pace.size(10**9)
    pace.learn(1, 1.0)

    assert pace.size(10**9) == 1 < before


def test_messages_are_longer_while_the_end_is_far() -> None:
    """They cost the parent less so, and nobody is made to wait at the end."""
    pace = Pace(2, eager=False)
    pace.learn(1, 1e-3)
    pace.size(10**6)
    assert pace.size(10**6) == LONGEST_MESSAGE_SECONDS * 1000
    assert pace.size(512) == 4
    assert pace.size(200) == 2


def test_messages_shrink_near_the_end() -> None:
    """So that the workers finish together."""
    pace = Pace(2, eager=False)
    pace.learn(1, 1e-5)
    for _ in range(5):
        pace.size(10**9)

    assert pace.size(800) == 100
    assert pace.size(160) == 20


def test_the_last_messages_are_worth_sending() -> None:
    """A worker may finish so much later than another as a few messages cost."""
    pace = Pace(2, eager=False)
    pace.learn(1, 1e-5)
    for _ in range(5):
        pace.size(10**9)
    assert pace.size(80) * 1e-5 == pytest.approx(LEAST_MESSAGE_SECONDS)

    pace.learn(1, 2 * LEAST_MESSAGE_SECONDS)
    assert pace.size(8) == 1


def test_the_last_messages_keep_the_given_grain() -> None:
    """As all do."""
    pace = Pace(2, 50, eager=False)
    pace.learn(50, 1e-3)
    assert pace.size(100) == 50


def test_many_tasks_tell_more_than_one() -> None:
    """A single one is measured with the clock, and may be the first of its kind."""
    pace = Pace(2, eager=False)
    pace.learn(1, 1e-5)
    pace.learn(1, 5e-6)
    assert pace.per_task == pytest.approx(8e-6)
    pace.learn(16, 1.6e-6)
    assert pace.per_task == pytest.approx(1e-7)


def test_who_sleeps_goes_by_the_quickest() -> None:
    """One worker that had to wait for a core must not make the others wait for who sleeps."""
    pace = Pace(2, eager=False)
    assert pace.least_seconds_left(1000) == 0
    pace.learn(100, 1e-3)
    usual = pace.least_seconds_left(1000)
    assert 0 < usual <= pace.seconds_left(1000)
    pace.learn(100, 1.0)
    assert pace.least_seconds_left(1000) <= 2 * usual
    pace.learn(100, 1e-3)
    assert pace.least_seconds_left(1000) == usual

    for _ in range(20):
        pace.learn(1, 0.1)
    assert pace.least_seconds_left(10) == pytest.approx(0.5, rel=0.01)


def test_messages_carry_whole_grains() -> None:
    """A given chunk stays together."""
    pace = Pace(2, 10, eager=False)
    pace.learn(10, 1e-5)
    for _ in range(5):
        assert pace.size(10**6) % 10 == 0


def test_fixed_pace_keeps_the_grain() -> None:
    """Where messages are counted as tasks (maxtasksperchild)."""
    pace = Pace(2, 5, eager=False, fixed=True)
    pace.learn(5, 1e-7)

    assert pace.size(10**6) == 5


def test_window_keeps_every_worker_busy() -> None:
    """Several messages for each, whatever the pace."""
    pace = Pace(3, eager=False)
    assert pace.window() >= 2 * 3
    pace.learn(1, 10.0)
    assert pace.window() >= 2 * 3


def test_reading_ahead_follows_what_was_learnt() -> None:
    """Also after it was asked for."""
    pace = Pace(2, eager=True)
    assert pace.read_ahead() == 8
    pace.learn(1, 1e-4)
    assert pace.read_ahead() == 800
    pace.size(None)
    assert pace.read_ahead() == pace.window() * 2
    pace.learn(1, 10.0)
    assert pace.read_ahead() == 16


def test_reading_ahead_is_a_number_whenever_another_thread_learns() -> None:
    """Who takes results asks for it while the collector learns from others."""
    pace = Pace(2, eager=True)

    def learns(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code is not Pace.read_ahead.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            pace.learn(1, 1e-4)
        return learns

    pace.learn(1, 1e-4)
    sys.settrace(learns)
    try:
        asked = [pace.read_ahead() for _ in range(2)]
    finally:
        sys.settrace(None)
    assert asked == [800, 800]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_usable_cpus_follow_the_affinity() -> None:
    """A process that is bound to one CPU may use one."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, allowed)
