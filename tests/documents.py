"""The Python programs that stand in a document."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENTS = Path(__file__).resolve().parents[1] / "docs"

_PROGRAM = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def programs_in(document: str) -> list[str]:
    """Return the text of each, in their order."""
    return _PROGRAM.findall((DOCUMENTS / document).read_text(encoding="utf-8"))
