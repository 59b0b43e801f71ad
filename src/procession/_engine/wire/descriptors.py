"""Descriptors that travel with a pickled object.

An object that lives in shared memory is, to another process, a few open descriptors.
There are three ways for them to get there, and the object need not know which is taken:

* a process is being spawned: the launcher that is at work (``get_spawning_popen``) hands them on;
* the object goes through a queue, a connection or a task: the standard library's
  ``resource_sharer`` serves them from a thread of this process until they are fetched, so this
  process must live until then; a pickle that several processes read has them lent (``loan``);
* the process is forked: nothing is pickled at all, descriptors are inherited.

``share`` runs in the giving process, inside of ``__getstate__`` or ``__reduce__``, and
``SharedDescriptors.take`` in the receiving one, once.
"""

from __future__ import annotations

import os
import sys
from multiprocessing import reduction
from multiprocessing.context import get_spawning_popen

from procession._engine.wire.loan import lender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["ABSENT", "SharedDescriptors", "share"]

ABSENT = -1
"""Stands for a descriptor that an object does not have, such as a pipe's missing direction."""

_GENERIC_READ_WRITE = 0xC0000000


class SharedDescriptors:
    """Some descriptors of one object, pickled: what ``share`` gives."""

    def __init__(self, handles: dict[int, Any], order: tuple[int, ...]) -> None:
        self._handles = handles
        self._order = order

    def take(self) -> tuple[int, ...]:
        """Descriptors of this process, in the order that ``share`` was given; the caller owns them.

        May be called once, unless they are lent.  Raises ConnectionError when the giving process
        has ended in between, or the loan has.
        """
        taken: dict[int, int] = {}
        try:
            for number, handle in self._handles.items():
                taken[number] = _detach(handle)
            return tuple(_in_order(self._order, taken))
        except BaseException as error:
            for descriptor in taken.values():
                os.close(descriptor)
            if isinstance(error, (FileNotFoundError, ConnectionError, EOFError)):
                raise ConnectionError(
                    "the process that sent a queue or a connection ended before this process"
                    f" had received it ({error!r}): let it live until then, or give the object"
                    " to this process as an argument"
                ) from error
            raise


def share(descriptors: Sequence[int]) -> SharedDescriptors:
    """Prepare descriptors for a pickle; they stay open and owned here.

    ``ABSENT`` stays ``ABSENT``.  A descriptor that occurs twice travels once and arrives as
    two descriptors.  Raises OSError when one of them is not open.
    """
    for number in descriptors:
        if number != ABSENT:
            os.fstat(number)  # before any is duplicated: nobody would ever fetch the duplicate
    handles = {number: _attach(number) for number in set(descriptors) - {ABSENT}}
    return SharedDescriptors(handles, tuple(descriptors))


def _in_order(order: tuple[int, ...], taken: dict[int, int]) -> list[int]:
    used: set[int] = set()
    result: list[int] = []
    for number in order:
        if number == ABSENT:
            result.append(ABSENT)
        elif number in used:
            result.append(os.dup(taken[number]))
        else:
            used.add(number)
            result.append(taken[number])
    return result


if sys.platform == "win32":
    import msvcrt

    def _attach(descriptor: int) -> Any:
        handle = msvcrt.get_osfhandle(descriptor)
        return reduction.DupHandle(handle, _GENERIC_READ_WRITE)

    def _detach(handle: Any) -> int:
        return msvcrt.open_osfhandle(handle.detach(), os.O_RDWR | os.O_BINARY)

else:

    def _attach(descriptor: int) -> Any:
        loan = lender()
        if loan is None or get_spawning_popen() is not None:
            return reduction.DupFd(descriptor)
        return loan.lend(descriptor)

    def _detach(handle: Any) -> int:
        return int(handle.detach())
