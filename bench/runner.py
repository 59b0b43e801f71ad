"""Runs: every one a fresh process, contenders interleaved.

Round by round each contender of a case runs once, so that an hour's noise meets all of
them alike; each round begins with another contender.  A run that takes too long is killed with
everything it started and is reported as hanging.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.case import Case, Question
from bench.contenders import CONTENDERS, Contender
from bench.results import CaseResult

__all__ = ["measure_case", "one_run", "taking_part"]

ROOT = Path(__file__).parent.parent


def taking_part(case: Case, *, whole: bool, among: tuple[str, ...] = ()) -> list[Contender]:
    """Return the installed contenders of a case: the short form's, or with `whole` all that can.

    With `among`, only those of these names.
    """
    able = [c for c in CONTENDERS.values() if case.needs in c.offers and c.is_installed]
    if not whole:
        able = [contender for contender in able if contender.name in case.short]
    return [contender for contender in able if not among or contender.name in among]


def measure_case(
    question: Question,
    case: Case,
    contenders: list[Contender],
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> CaseResult:
    """Run all contenders so many times in turn."""
    result = CaseResult(question.key, case.name, case.unit, _now())
    for turn in range(rounds):
        shift = turn % max(1, len(contenders))
        for contender in contenders[shift:] + contenders[:shift]:
            if contender.name in result.failures:
                figures: dict[str, float] | None = None
            else:
                figures, complaint = one_run(question, case, contender, seconds)
                if figures is None:
                    result.failures[contender.name] = complaint
                    say(f"    {contender.name} failed: {complaint}")
            result.runs.setdefault(contender.name, []).append(figures)
    return result


def one_run(
    question: Question, case: Case, contender: Contender, seconds: float
) -> tuple[dict[str, float] | None, str]:
    """Measure once in a fresh process: (figures, "") or (None, why there are none)."""
    command = [sys.executable, "-m", f"bench.mains.{case.main}"]
    command += [question.key, case.name, contender.name, str(seconds)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **contender.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=case.patience)
        except subprocess.TimeoutExpired:
            return None, f"no answer within {case.patience:.0f} s"
        finally:
            _end_session(process.pid)
    if process.returncode != 0:
        return None, _last_line(errors) or f"exit code {process.returncode}"
    figures = json.loads(_last_line(output))
    return {name: float(value) for name, value in figures.items()}, ""


def _end_session(leader: int) -> None:
    """End whatever a run left behind; the run's own process among it if it hangs."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else ""


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
