"""The Python programs that stand in a document."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_PROGRAM = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def programs_in(document: str) -> list[str]:
    """Return the text of each, in their order; ``document`` is named from the root of the tree."""
    return _PROGRAM.findall((ROOT / document).read_text(encoding="utf-8"))
