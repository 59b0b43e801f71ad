"""What we know about the place that we print to, and how to print there.

Colour is used only on a terminal that can show it: never into a pipe or a
file, never with ``NO_COLOR`` set (to anything but nothing) or ``TERM=dumb``.
Lines and blocks are drawn with ASCII where the encoding has nothing better.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

STYLES = {
    "bold": "1",
    "dim": "2",
    "italic": "3",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "bright_green": "92",
    "bright_yellow": "93",
    "bright_blue": "94",
    "bright_magenta": "95",
    "bright_cyan": "96",
}

NARROWEST = 40
WIDEST = 120
WIDTH_OF_A_PIPE = 80


@dataclass(frozen=True)
class Glyphs:
    """The characters that frames and bars are drawn with."""

    line: str
    gutter: str
    full: str
    empty: str
    tick: str
    cross: str
    ellipsis: str


UNICODE = Glyphs(line="─", gutter="│", full="━", empty="─", tick="✓", cross="✗", ellipsis="…")
ASCII = Glyphs(line="-", gutter="|", full="#", empty="-", tick="ok", cross="!!", ellipsis="..")


class Terminal:
    """A text stream with its width, colours and glyphs."""

    def __init__(self, stream: TextIO, *, colour: bool, interactive: bool, width: int) -> None:
        """Describe ``stream`` as given; ``of`` finds the description out.

        Args:
            stream: where the text goes.
            colour: whether escape sequences may be written.
            interactive: whether a line may be drawn over.
            width: columns; what is drawn keeps within 40 to 120 of them.
        """
        self.stream = stream
        self.colour = colour
        self.interactive = interactive
        self.width = max(NARROWEST, min(width, WIDEST))
        self.glyphs = UNICODE if _can_encode(stream, UNICODE) else ASCII

    @classmethod
    def of(cls, stream: TextIO | None = None, *, colour: bool | None = None) -> Terminal:
        """Return the terminal that stands behind a stream.

        Args:
            stream: where the text goes; ``None`` is standard output.
            colour: ``None`` decides by the stream and the environment.
        """
        stream = sys.stdout if stream is None else stream
        interactive = stream.isatty() and os.environ.get("TERM") != "dumb"
        if colour is None:
            colour = interactive and not os.environ.get("NO_COLOR")
        width = shutil.get_terminal_size((WIDTH_OF_A_PIPE, 24)).columns
        return cls(stream, colour=colour, interactive=interactive, width=width)

    def paint(self, text: str, *styles: str) -> str:
        """Return ``text`` in the named styles (keys of ``STYLES``), or as it is without colour."""
        if not self.colour or not styles or not text:
            return text
        codes = ";".join(STYLES[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def line(self, text: str = "") -> None:
        """Print one line and show it at once."""
        self.stream.write(text + "\n")
        self.stream.flush()

    def paragraph(self, text: str, *styles: str) -> None:
        """Print text of any length, broken into lines between its words."""
        for line in textwrap.wrap(text, self.width):
            self.line(self.paint(line, *styles))

    def verdict(self, good: bool, text: str) -> None:
        """Print a paragraph after a tick, or after a cross."""
        mark, colour = (self.glyphs.tick, "green") if good else (self.glyphs.cross, "red")
        indent = " " * (len(mark) + 1)
        first, *others = textwrap.wrap(text, self.width - len(indent))
        self.line(f"{self.paint(mark, 'bold', colour)} {first}")
        for line in others:
            self.line(indent + line)

    def heading(self, title: str, *styles: str) -> None:
        """Print a title with a rule that runs to the right edge."""
        glyph = self.glyphs.line
        rest = max(0, self.width - len(title) - 4)
        left, right = self.paint(glyph * 2, "dim"), self.paint(glyph * rest, "dim")
        self.line(f"{left} {self.paint(title, 'bold', *styles)} {right}")

    def overwrite(self, text: str) -> None:
        """Draw ``text`` over the current line, without ending it."""
        self.stream.write(f"\r\x1b[2K{text}")
        self.stream.flush()

    def shorten(self, text: str, width: int) -> str:
        """Return ``text`` in at most ``width`` columns; what does not fit is cut off the left.

        The left, because the end of a path says more than its beginning.
        """
        if len(text) <= width:
            return text
        mark = self.glyphs.ellipsis
        return mark + text[len(text) - width + len(mark) :]


def _can_encode(stream: TextIO, glyphs: Glyphs) -> bool:
    try:
        "".join(vars(glyphs).values()).encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
