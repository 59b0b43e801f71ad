"""Tells a pool whether this is still the process that made it.

Here, and not in ``lifecycle``: a hook of ``os.fork`` costs each child of each program.
"""

from __future__ import annotations

from procession._engine.lifecycle import in_forked_child

current = object()
"""Another object in every forked child: who remembers it learns by ``is``, without a system call,
whether this is still the process in which it did so."""


def _renew() -> None:
    global current  # noqa: PLW0603  # the one place where it changes
    current = object()


in_forked_child(_renew)
