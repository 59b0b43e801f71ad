"""How a process is launched by a fork server.

By our own, warm one (``warm_server.py``) on Linux; elsewhere by the standard library's, which is
asked to import procession once for all its children.
"""

from __future__ import annotations

import io
import pickle
import sys
from multiprocessing import context, forkserver, popen_forkserver, reduction, spawn

from procession._engine.lifecycle import close_with
from procession._engine.process.launcher import Launcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from typing import Any


class ForkServerPopen(Launcher, popen_forkserver.Popen):
    """Launch by asking the standard library's server, which tells us the exit code."""

    _is_our_child = False

    def __init__(self, process_obj: BaseProcess) -> None:
        _preload_procession(forkserver._forkserver)  # noqa: SLF001
        super().__init__(process_obj)


def _preload_procession(server: Any) -> None:
    """Add procession to what the fork server imports before it forks, if it is not running yet.

    Each child would import it otherwise.  The list is the program's, through whichever module
    it was set; where a Python keeps it elsewhere, children are as right, and slower.
    """
    names = getattr(server, "_preload_modules", None)
    if isinstance(names, list) and "procession" not in names:
        server.set_forkserver_preload([*names, "procession"])


ServerPopen: type[Launcher] = ForkServerPopen
"""The launcher of this system."""

# Our server needs sockets that keep messages whole, and tell the end of the other side.  A frozen
# program (PyInstaller) knows the command of the standard library's server only; on ours it would
# run its main module, which starts a server, which runs its main module.
if sys.platform == "linux" and not getattr(sys, "frozen", False):
    from procession._engine.process import circumstances, warm_client, warm_main

    class WarmPopen(Launcher, popen_forkserver.Popen):
        """Launch by asking our own server, in the standard library's terms."""

        _is_our_child = False
        _fds: list[int]

        def _launch(self, process_obj: Any) -> None:
            preparation = spawn.get_preparation_data(process_obj._name)  # noqa: SLF001
            payload = io.BytesIO()
            here = circumstances.take(warm_main.describe(preparation), self._begins_deaf)
            payload.write(pickle.dumps(tuple(here)))  # naming no class: less to look up
            context.set_spawning_popen(self)
            try:
                reduction.dump(preparation, payload)
                reduction.dump(process_obj, payload)
            finally:
                context.set_spawning_popen(None)
            self.pid, self.sentinel = warm_client.SERVER.start_child(
                preparation, payload.getbuffer(), self._fds
            )
            self.finalizer = close_with(self, self.sentinel)

    ServerPopen = WarmPopen
