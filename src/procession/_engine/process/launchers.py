"""Start method -> how a process is launched by it.

Each launcher is imported when it is first used: a forked child has copies of all that its parent
has loaded, and few programs use two start methods.
"""

from __future__ import annotations

import sys
from multiprocessing import reduction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["launcher_of"]


def launcher_of(method: str) -> Callable[[Any], Any]:
    """Return what launches a process by this method.  Raises KeyError where the system has none."""
    return _IMPORTS[method]()


_IMPORTS: dict[str, Callable[[], Callable[[Any], Any]]] = {}

if sys.platform == "win32":

    def _windows() -> Callable[[Any], Any]:
        from multiprocessing.popen_spawn_win32 import Popen  # noqa: PLC0415  # as below

        return Popen

    _IMPORTS["spawn"] = _windows
else:

    def _fork() -> Callable[[Any], Any]:
        from procession._engine.process.fork_launcher import LAUNCHER  # noqa: PLC0415  # above

        return LAUNCHER

    def _spawn() -> Callable[[Any], Any]:
        from procession._engine.process.spawn_launcher import SpawnPopen  # noqa: PLC0415  # above

        return SpawnPopen

    _IMPORTS.update(fork=_fork, spawn=_spawn)

    if reduction.HAVE_SEND_HANDLE:

        def _server() -> Callable[[Any], Any]:
            from procession._engine.process.server_launcher import (  # noqa: PLC0415  # above
                ServerPopen,
            )

            return ServerPopen

        _IMPORTS["forkserver"] = _server
