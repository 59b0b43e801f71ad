"""One run: a fresh process measures one contender at one case and prints the figures as JSON.

    python -m bench.mains.plain QUESTION CASE CONTENDER SECONDS

The figures are the last line of the standard output; whatever a contender prints stands before it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

from bench.contenders import CONTENDERS


def main() -> None:
    """Measure what the command line asks for."""
    key, name, contender, seconds = sys.argv[1:]
    question = importlib.import_module(f"bench.questions.{key}").QUESTION
    figures = question.measure(CONTENDERS[contender], question.case(name), float(seconds))
    sys.stdout.flush()
    print("\n" + json.dumps(figures), flush=True)
    # How a contender ends its process is measured where a question asks for it, and else no matter.
    os._exit(0)
