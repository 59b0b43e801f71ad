"""What the command line prints with: colours that leave the text alone, tables, bars."""

from __future__ import annotations

import io
import sysconfig
from pathlib import Path

import pytest

from procession._engine.cli.highlight import highlight
from procession._engine.cli.progress_bar import ProgressBar
from procession._engine.cli.table import Column, print_table
from procession._engine.cli.terminal import Terminal
from tests.examples.terminals import ESCAPE, shown_lines

LIBRARY = Path(sysconfig.get_path("stdlib"))

TRICKY = '''\
def größe(x):  # ünïcode before → and after
    """Several
    lines, {not} an f-string."""
    return f"{x!r:>{10}} {{braces}} {f'{x}'} \\N{DIGIT ONE}", rf"{x}\\d", b"\\0"
class A: pass
'''


def terminal(width: int = 80, *, colour: bool = True, interactive: bool = True) -> Terminal:
    """Return a terminal that keeps what is printed."""
    return Terminal(io.StringIO(), colour=colour, interactive=interactive, width=width)


def text_of(terminal: Terminal) -> str:
    """Return all that has been printed."""
    assert isinstance(terminal.stream, io.StringIO)
    return terminal.stream.getvalue()


@pytest.mark.parametrize(
    "source",
    [
        TRICKY,
        *((LIBRARY / name).read_text("utf-8") for name in ("dataclasses.py", "json/scanner.py")),
    ],
    ids=["tricky", "dataclasses.py", "json/scanner.py"],
)
def test_highlighting_changes_no_character(source: str) -> None:
    """Without its escape sequences, coloured code is the code."""
    lines = highlight(source, terminal())

    assert ESCAPE.search("\n".join(lines))
    assert [ESCAPE.sub("", line) for line in lines] == source.splitlines()


def test_highlighting_without_colour_gives_the_lines() -> None:
    """Where there are no colours the lines come back as they are."""
    assert highlight(TRICKY, terminal(colour=False)) == TRICKY.splitlines()


def test_table_aligns_and_leaves_out_what_finds_no_room() -> None:
    """Numbers stand to the right; the last optional column is left out first."""
    columns = [Column("name"), Column("n", right=True), Column("more", optional=True)]
    rows = [("one", "1", "x" * 30), ("three", "300", "y")]
    wide, narrow = terminal(60, colour=False), terminal(40, colour=False)

    print_table(wide, columns, rows)
    print_table(narrow, columns, rows)

    assert text_of(narrow) == "name     n\none      1\nthree  300\n"
    assert text_of(wide).splitlines()[2] == "three  300  y"


def test_table_cuts_a_shrinking_cell_on_the_left() -> None:
    """Of a path that is too long the end stays."""
    shown = terminal(40, colour=False)

    print_table(shown, [Column("where", shrink=True)], [("a/" * 30 + "end.py:1",)])

    last = text_of(shown).splitlines()[-1]
    assert len(last) == 40
    assert last.endswith("a/end.py:1")


def test_bar_ends_full_and_within_the_width() -> None:
    """After its last step the bar is full, and was drawn over one line."""
    shown = terminal(60)

    with ProgressBar(shown, "work", 3, "things") as bar:
        for _ in range(3):
            bar.step()

    first, rest = shown_lines(text_of(shown))
    assert first.startswith("work ━━━━")
    assert "3/3 things" in first
    assert len(first) <= 60
    assert rest == ""


def test_bar_of_nothing_is_full() -> None:
    """A total of 0 is no error."""
    shown = terminal(interactive=False)

    with ProgressBar(shown, "work", 0, "things"):
        pass

    assert text_of(shown).startswith("work 0/0 things")


def test_bar_keeps_silent_about_an_end_by_an_error_in_a_pipe() -> None:
    """What did not finish is not reported as finished."""
    shown = terminal(interactive=False)

    with pytest.raises(ZeroDivisionError), ProgressBar(shown, "work", 2, "things"):
        raise ZeroDivisionError

    assert text_of(shown) == ""


def test_reading_an_encoded_stream_decides_the_glyphs() -> None:
    """A stream in ASCII gets frames in ASCII."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")

    assert Terminal.of(stream).glyphs.full == "#"
    assert not Terminal.of(stream).colour
