"""Python source in colour, by the standard library's own tokenizer.

Only what the tokenizer can know is coloured: keywords, strings, numbers,
comments, and the names that a definition introduces.  The text itself is never
changed: without the colours the result is the input.
"""

from __future__ import annotations

import io
import keyword
import tokenize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from procession._engine.cli.terminal import Terminal

# f-strings come as several tokens from 3.12 on; the numbers do not exist before.
STRINGS = {tokenize.STRING} | {
    getattr(tokenize, name)
    for name in ("FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END")
    if hasattr(tokenize, name)
}

Span = tuple[int, int, int, str]  # line (from 1), first column, column after the last, style


def highlight(source: str, terminal: Terminal) -> list[str]:
    """Return the lines of a valid Python source, coloured where the terminal shows colour.

    Args:
        source: a whole module.
        terminal: what it will be shown on.

    Raises:
        tokenize.TokenError, SyntaxError: for a text that is not Python.
    """
    lines = source.splitlines()
    if not terminal.colour:
        return lines
    by_line: dict[int, list[Span]] = {}
    for span in _spans(source, lines):
        by_line.setdefault(span[0], []).append(span)
    return [_paint(line, by_line.get(number, []), terminal) for number, line in enumerate(lines, 1)]


def _spans(source: str, lines: list[str]) -> Iterator[Span]:
    introduces = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        style = _style(token, introduces)
        introduces = token.string if token.string in ("def", "class") else ""
        if style:
            yield from _split(token, style, lines)


def _style(token: tokenize.TokenInfo, introduces: str) -> str:
    if token.type in STRINGS:
        return "green"
    if token.type == tokenize.COMMENT:
        return "dim"
    if token.type == tokenize.NUMBER:
        return "cyan"
    if token.type != tokenize.NAME:
        return ""
    if introduces:
        return "yellow"
    return "magenta" if keyword.iskeyword(token.string) else ""


def _split(token: tokenize.TokenInfo, style: str, lines: list[str]) -> Iterator[Span]:
    """Give a token that runs over several lines as one span a line."""
    (first, left), (last, right) = token.start, token.end
    for number in range(first, last + 1):
        begin = left if number == first else 0
        end = right if number == last else len(lines[number - 1])
        yield number, begin, end, style


def _paint(line: str, spans: list[Span], terminal: Terminal) -> str:
    pieces, column = [], 0
    for _, start, end, style in spans:
        begin = max(start, column)  # some versions place the parts of an f-string inexactly
        pieces += [line[column:begin], terminal.paint(line[begin:end], style)]
        column = end
    return "".join(pieces) + line[column:]
