"""A progress bar of one line, for a terminal; in a pipe it says only how it ended.

It is redrawn at most every 50 ms, so that a million steps cost a million
comparisons and not a million lines.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from procession._engine.cli.terminal import Terminal

REDRAW_SECONDS = 0.05
NARROWEST_BAR = 8


class ProgressBar:
    """Counts steps towards a total, with the elapsed time; a context manager."""

    def __init__(self, terminal: Terminal, label: str, total: int, unit: str) -> None:
        """Make a bar that is drawn from ``__enter__`` on.

        Args:
            terminal: where it is drawn.
            label: what is going on; stands left of the bar.
            total: steps until it is full; may be 0.
            unit: what a step is, in the plural.
        """
        self._terminal = terminal
        self._label = label
        self._total = total
        self._unit = unit
        self._done = 0
        self._started = 0.0
        self._drawn = 0.0

    def __enter__(self) -> ProgressBar:
        self._started = time.perf_counter()
        if self._terminal.interactive:
            self._draw(self._started)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._terminal.interactive:
            self._draw(time.perf_counter())
            self._terminal.line()
        elif kind is None:
            elapsed = time.perf_counter() - self._started
            self._terminal.line(f"{self._label} {self._count()}  {elapsed:5.1f} s")

    def step(self) -> None:
        """Count one step, and show it if the last drawing is old enough."""
        self._done += 1
        if self._terminal.interactive:
            now = time.perf_counter()
            if now - self._drawn >= REDRAW_SECONDS:
                self._draw(now)

    def _draw(self, now: float) -> None:
        self._drawn = now
        terminal, glyphs = self._terminal, self._terminal.glyphs
        share = self._done / self._total if self._total else 1.0
        right = f" {self._count()}  {now - self._started:5.1f} s"
        room = terminal.width - len(self._label) - len(right) - 2
        if room < NARROWEST_BAR:
            terminal.overwrite(self._label + right)
            return
        full = int(room * share)
        colour = "green" if self._done >= self._total else "cyan"
        bar = terminal.paint(glyphs.full * full, colour)
        rest = terminal.paint(glyphs.empty * (room - full), "dim")
        terminal.overwrite(f"{self._label} {bar}{rest}{right}")

    def _count(self) -> str:
        width = len(f"{self._total:,}")
        return f"{self._done:>{width},}/{self._total:,} {self._unit}"
