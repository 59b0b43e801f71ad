"""What clients leave in shared memory for a while is theirs; run_program looks at processes."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """In the place of the check of that name: loky's files, semaphores of other packages."""
