"""A table of text: columns as wide as their widest cell, numbers to the right."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from procession._engine.cli.terminal import Terminal

GAP = 2


@dataclass(frozen=True)
class Column:
    """One column: its head, and how its cells stand.

    ``right`` puts them to the right; ``shrink`` lets them be cut, and ``optional`` lets
    the column be left out, where the table would be too wide.
    """

    head: str
    right: bool = False
    shrink: bool = False
    optional: bool = False


def print_table(
    terminal: Terminal,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    styles: Sequence[tuple[str, ...]] = (),
) -> None:
    """Print rows of cells under their heads, within the width of the terminal.

    Args:
        terminal: where to.
        columns: one for each cell of a row; the last optional one is left out first.
        rows: the cells, without colour.
        styles: for each row, the names of its styles; shorter than ``rows`` is fine.
    """
    columns, rows = _that_fit(terminal, columns, rows)
    widths = _widths(terminal, columns, rows)
    heads = [column.head for column in columns]
    terminal.line(terminal.paint(_row(terminal, columns, widths, heads), "dim"))
    for number, row in enumerate(rows):
        style = styles[number] if number < len(styles) else ()
        terminal.line(terminal.paint(_row(terminal, columns, widths, row), *style))


def _that_fit(
    terminal: Terminal, columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> tuple[Sequence[Column], Sequence[Sequence[str]]]:
    """Return the columns, with their cells, without the optional ones that find no room."""
    for index in reversed(range(len(columns))):
        if columns[index].optional and _excess(terminal, _widest(columns, rows)) > 0:
            columns = [*columns[:index], *columns[index + 1 :]]
            rows = [[*row[:index], *row[index + 1 :]] for row in rows]
    return columns, rows


def _widest(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        max([len(column.head), *(len(row[index]) for row in rows)])
        for index, column in enumerate(columns)
    ]


def _excess(terminal: Terminal, widths: list[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1) - terminal.width


def _widths(
    terminal: Terminal, columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> list[int]:
    widths = _widest(columns, rows)
    excess = _excess(terminal, widths)
    for index, column in enumerate(columns):
        if column.shrink and excess > 0:
            cut = min(excess, widths[index] - len(column.head))
            widths[index] -= cut
            excess -= cut
    return widths


def _row(
    terminal: Terminal, columns: Sequence[Column], widths: list[int], cells: Sequence[str]
) -> str:
    padded = []
    for column, width, cell in zip(columns, widths, cells, strict=True):
        text = terminal.shorten(cell, width)
        padded.append(text.rjust(width) if column.right else text.ljust(width))
    return (" " * GAP).join(padded).rstrip()
