"""Random numbers in children whose main module was imported before they were forked.

A child that imports its main module itself has generators in a state that nobody shares,
unless the main module seeds them: then every child begins with that seed.  Both hold for the
children of a warm server too.  Python's own generator is seeded anew in every forked child,
NumPy's global one in none; so the server finds out which of them the main module has seeded.
"""

from __future__ import annotations

import random
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST_SEARCH = 200
"""So many refills of Python's generator, 624 numbers each, a main module may draw at import."""


class Generators:
    """The global generators of Python and NumPy in a server, and what children do with them."""

    def __init__(self) -> None:
        """To be made before the main module is imported."""
        self._before = random.getstate()
        self._seeded: tuple[Any, ...] | None = None
        self._renews_numpy = False

    def look(self) -> None:
        """To be called when it has been."""
        now = random.getstate()
        if not _is_drawn_from(self._before, now):
            self._seeded = now
        self._renews_numpy = _numpy_seeded_itself()

    def separate(self) -> None:
        """In a child: have the state that a main module imported here would have left."""
        if self._seeded is not None:
            random.setstate(self._seeded)
        if self._renews_numpy:
            sys.modules["numpy.random"].seed()


def _is_drawn_from(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """Whether one gets from one state to the other by drawing numbers."""
    generator = random.Random()  # noqa: S311  # not for secrets
    generator.setstate(before)
    wanted = now[1][:-1]  # the position within it does not matter
    for _ in range(LONGEST_SEARCH):
        words = generator.getstate()[1]
        if words[:-1] == wanted:
            return True
        generator.getrandbits(32 * (len(wanted) - words[-1] + 1))
    return False


def _numpy_seeded_itself() -> bool:
    """Whether NumPy's global generator is there and has the seed that it chose itself."""
    generators = sys.modules.get("numpy.random.mtrand")
    state = getattr(getattr(generators, "_rand", None), "_bit_generator", None)
    return getattr(state, "_seed_seq", None) is not None
