"""What happens when an object is collected, and when this process is forked.

Both ride on registries that exist: the standard library's finalizers, which also run at
the end of a process and never in a child that merely inherited the object, and the
interpreter's own fork hooks.
"""

from __future__ import annotations

import os
from multiprocessing import util

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def close_with(owner: object, *fds: int) -> util.Finalize[None]:
    """Close the descriptors when ``owner`` is collected, or earlier by calling the result.

    They are closed once, and only in the process that made this call.
    """
    return util.Finalize(owner, _close_all, (fds,))


def _close_all(fds: tuple[int, ...]) -> None:
    for fd in fds:
        os.close(fd)


def file_identity(fd: int) -> tuple[int, int]:
    """Tell which open file a descriptor means.  Raises OSError where it means none.

    A program may close descriptors that it does not know, and open others under their numbers.
    Who keeps a descriptor for long compares before it writes, reads or closes.
    """
    return os.fstat(fd)[1:3]  # inode and device; as attributes they cost more


def at_fork(
    *,
    before: Callable[[], object],
    after_in_parent: Callable[[], object],
    after_in_child: Callable[[], object],
) -> None:
    """Have these called around every fork from now on; without fork, do nothing."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=before, after_in_parent=after_in_parent, after_in_child=after_in_child
        )


def in_forked_child(react: Callable[[], object]) -> None:
    """Have this called in every child that is forked from now on; without fork, do nothing."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=react)
