"""What a spare does before it is needed: a start, to no effect.

A forked process copies each page that it writes to, and to use an object is to write to it.  A
child touches some 300 pages on its way from a request to its first line, at one to four
microseconds each, with somebody waiting.  So a spare goes that way once while nobody waits, up to
where the process itself would begin: the same functions, on a request that its server made up.

Each step may be the last, as whatever a step leaves behind is replaced by the same step of the
real start: so a request that comes meanwhile waits for one step at most.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
from multiprocessing import spawn

from procession._engine.process import child, circumstances, warm_child, warm_wire
from procession._engine.process import process as processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from typing import Any

__all__ = ["Rehearsal"]

_OF_THE_MOMENT = ("dir", "init_main_from_name", "init_main_from_path", "log_to_stderr", "log_level")
"""What of the preparation does more than to set a value."""


_FITS_INTO_A_PIPE = 1 << 14


class Rehearsal:
    """A start that the server has made up, for its spares to go through."""

    def __init__(self, preparation: dict[str, Any], environment: bytes) -> None:
        self._environment = environment
        mask = sorted(int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        here = circumstances.Circumstances(environment, mask, None, None)
        general = {key: preparation[key] for key in preparation if key not in _OF_THE_MOMENT}
        process = processes.ForkServerProcess(target=int, args=("0",))
        # An authentication key refuses to be pickled, as what it is, without a child to go to.
        process._config = {"authkey": bytes(general["authkey"])}  # noqa: SLF001
        parts = [pickle.dumps(part) for part in (tuple(here), general, pickle.dumps(process))]
        self._payload = b"".join(parts)

    def play(self, channel: socket.socket) -> None:
        """In the spare: go through it, as far as nothing comes on the channel."""
        if len(self._payload) > _FITS_INTO_A_PIPE:
            return
        request = select.poll()
        request.register(channel, select.POLLIN)
        with contextlib.suppress(Exception):  # a start that is real will tell what is wrong
            for _ in self._steps(channel):
                if request.poll(0):
                    return

    def _steps(self, channel: socket.socket) -> Iterator[None]:
        """Do one step after the other, each on descriptors that are closed behind it."""
        read, write = os.pipe()
        try:
            os.write(write, self._payload)
        finally:
            os.close(write)
        with os.fdopen(read, "rb") as stream:
            request = warm_wire.Request(
                status=-1,
                data=-1,
                control=os.dup(channel.fileno()),
                tracker=os.dup(read),
                stdout=os.dup(1),
                stderr=os.dup(2),
                fds=[],
                uses_pool=False,
            )
            warm_child.Status(os.dup(read)).close()
            warm_child.take_over(request)
            warm_child.give_back()
            yield
            here = circumstances.Circumstances(*pickle.load(stream))
            circumstances.adopt(here, self._environment)
            yield
            spawn.prepare(pickle.load(stream))
            yield
            handle = child.InheritedFd(read)
            arrival = child.unpack(handle, handle, True).receive(pickle.load(stream))
            arrival._end_watch()  # noqa: SLF001
