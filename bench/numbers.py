"""Numbers as people read them: three figures at most, no false precision."""

from __future__ import annotations

__all__ = ["amount", "measure", "ratio"]

LARGER = {"us": "ms", "ms": "s", "KiB": "MiB"}
"""The unit that is a thousand times (1,024 times for bytes) another."""


def amount(value: float) -> str:
    """Return a figure with two or three digits that mean something."""
    if value == 0:
        return "0"
    if abs(value) >= 99.5:
        return f"{value:,.0f}"
    if abs(value) >= 9.95:
        return f"{value:.1f}"
    if abs(value) >= 0.0995:
        return f"{value:.2f}"
    return f"{value:.3g}"


def measure(value: float, unit: str) -> str:
    """Return a figure with its unit, or with a larger one where the figure is in the thousands."""
    while value >= 1000 and unit in LARGER:
        value /= 1024 if unit.endswith("iB") else 1000
        unit = LARGER[unit]
    return f"{amount(value)} {unit}"


def ratio(value: float) -> str:
    """Return how many times: whole from ten on, one or two decimals below."""
    if value >= 9.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1.995 else f"{value:.2f}"
