"""What is measured: questions, their cases, and the targets of a case.

A question is one module in `bench/questions`; it holds a `QUESTION` whose `measure` is called
in a fresh process, once for each run of a contender at a case.  A case is one line of
the report.  A target is a ratio of two contenders' figures from interleaved runs, since absolute
figures differ by half from hour to hour; or, where the ideal is known, a plain number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.contenders import Contender

__all__ = ["OURS", "STANDARD", "Case", "Curve", "Measure", "Question", "Target"]

OURS = "procession"
STANDARD = "stdlib"


@dataclass(frozen=True)
class Target:
    """What procession has to reach at a case.

    `at_least` is a ratio to the contender `against`; with `against=None`, a value of `metric`
    itself.  `metric` defaults to the case's main figure.
    """

    at_least: float
    against: str | None = STANDARD
    metric: str | None = None


@dataclass(frozen=True)
class Case:
    """One line of the report.

    `needs` names what a contender must offer to take part.  `short` lists those who take part
    in the short form; with no name the case belongs to the long form only.  `unit` is
    the unit of the main figure, the first that `measure` returns.
    """

    name: str
    unit: str
    needs: str
    short: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    more_is_better: bool = False
    headline: bool = False
    main: str = "plain"
    """The module of `bench.mains` that the measuring process runs."""
    patience: float = 120.0
    """Seconds until a run is given up and reported as hanging."""


@dataclass(frozen=True)
class Curve:
    """Show the cases of a question as a curve over one of their parameters."""

    parameter: str
    x_title: str
    series: str | None = None
    """A parameter that splits the cases into one picture each."""


Measure = Callable[["Contender", Case, float], dict[str, float]]
"""(contender, case, seconds that the measurement may take) -> figures, the main one first."""


@dataclass(frozen=True)
class Question:
    """A group of cases that one function measures."""

    key: str
    title: str
    cases: tuple[Case, ...]
    measure: Measure
    curve: Curve | None = None

    def case(self, name: str) -> Case:
        """Return the case of that name; KeyError when there is none."""
        for case in self.cases:
            if case.name == name:
                return case
        raise KeyError(f"question {self.key!r} has no case {name!r}")
