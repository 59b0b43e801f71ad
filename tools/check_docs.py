"""Check the documents: every relative link leads somewhere, every Python example compiles.

- A link to a file of the tree names one that exists; with ``#part``, one that has that heading.
- A block marked ``python`` is Python (blocks that show a session, with ``>>>``, are read as one).
- A verb that a document names as ``make verb`` is one of the Makefile.
"""

from __future__ import annotations

import doctest
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
VERB = re.compile(r"`make ([a-z][a-z-]*)\b|^ {4}make ([a-z][a-z-]*)\b", re.MULTILINE)
MAKE_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the name under which a heading can be linked to, as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def without_code(text: str) -> str:
    """Return a document without its code, in which brackets mean something else."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def check_links(path: Path, text: str) -> Iterator[str]:
    """Yield the links of a document that lead nowhere."""
    for target in LINK.findall(without_code(text)):
        if re.match(r"[a-z]+:", target):
            continue  # elsewhere
        name, _, part = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            yield f"link to {target}: there is no such file"
        elif part and file.suffix == ".md":
            headings = HEADING.findall(FENCE.sub("", file.read_text(encoding="utf-8")))
            if part not in map(anchor, headings):
                yield f"link to {target}: no heading makes that name"


def check_examples(path: Path, text: str) -> Iterator[str]:
    """Yield the Python examples of a document that do not compile."""
    for language, code in FENCE.findall(text):
        if language not in ("python", "py"):
            continue
        parsed = doctest.DocTestParser().get_examples(code)
        for source in [example.source for example in parsed] or [code]:
            try:
                compile(source, str(path), "exec")
            except SyntaxError as error:
                yield f"example does not compile: {error.msg}: {error.text or source!r}"


def check_verbs(text: str, verbs: set[str]) -> Iterator[str]:
    """Yield the verbs that a document names and the Makefile does not have."""
    for inline, indented in VERB.findall(text):
        verb = inline or indented
        if verb not in verbs:
            yield f"`make {verb}`: the Makefile has no such verb"


def documents() -> list[Path]:
    """Return the documents of the tree; builds, caches and virtual environments have none."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    ours = (
        path for path in found if path.parts[0] != "build" and not path.parts[0].startswith(".")
    )
    return sorted(ROOT / path for path in ours)


def complaints() -> Iterator[str]:
    """Yield everything that is wrong, as a sentence with the file."""
    verbs = set(MAKE_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    for path in documents():
        name = path.relative_to(ROOT)
        text = path.read_text(encoding="utf-8")
        for check in (check_links(path, text), check_examples(path, text)):
            yield from (f"{name}: {sentence}" for sentence in check)
        yield from (f"{name}: {sentence}" for sentence in check_verbs(text, verbs))


def main() -> int:
    """Print the complaints; return 1 if there are any."""
    found = list(complaints())
    print("\n".join(found) if found else "documents keep the rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
