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

LAUNCHERS: dict[str, Callable[[Any], Any]] = {}
"""Start method -> launcher; holds the methods that this system has."""

if sys.platform == "win32":
    from multiprocessing.popen_spawn_win32 import Popen

    LAUNCHERS["spawn"] = Popen
else:

    def _launch_by_fork(process_obj: Any) -> Any:
        from procession._engine.process.fork_launcher import ForkPopen  # noqa: PLC0415  # above

        return ForkPopen(process_obj)

    def _launch_by_spawn(process_obj: Any) -> Any:
        from procession._engine.process.spawn_launcher import SpawnPopen  # noqa: PLC0415  # above

        return SpawnPopen(process_obj)

    LAUNCHERS.update(fork=_launch_by_fork, spawn=_launch_by_spawn)

    if reduction.HAVE_SEND_HANDLE:

        def _launch_by_server(process_obj: Any) -> Any:
            from procession._engine.process.server_launcher import (  # noqa: PLC0415  # above
                ServerPopen,
            )

            return ServerPopen(process_obj)

        LAUNCHERS["forkserver"] = _launch_by_server
