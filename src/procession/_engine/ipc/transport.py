"""Which transport this process uses: chosen here, once, at import.

Native (messages through shared memory, in C) where the extension was built and the system has
what it needs; else portable (pure Python on files, pipes and locks).  PROCESSION_TRANSPORT forces
one; a forced native transport that is not there is an ImportError that says what to do.  One that
is there and of no use (damaged, or built from other sources) is told of: nobody chose to be slower.
All layers above take their queues, pipes and ``wait`` from here and nowhere else.

Each worker of a pool imports this file and needs a ``MessageQueue`` only.  What stands on classes
of the standard library, which are long to import, is imported when it is asked for.
"""

from __future__ import annotations

import sys
from multiprocessing.process import parent_process

from procession._engine import config
from procession._engine.wire import pickler
from procession._engine.wire.main_module import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

__all__ = [
    "EOF_DESPITE_INHERITED_ENDS",
    "NAME",
    "OUT_OF_BAND_BUFFERS",
    "Connection",
    "JoinableQueue",
    "MessageQueue",
    "Pipe",
    "Queue",
    "SimpleQueue",
    "recv_handle",
    "send_handle",
    "wait",
]


def _choose() -> config.TransportName:
    forced = config.forced_transport()
    if forced == "portable":
        return "portable"
    try:
        # Whether it loads is the question.
        from procession._engine import native  # noqa: F401, PLC0415
    except ImportError as error:
        if forced == "native":
            raise
        if error.path is not None and parent_process() is None:  # else the parent has told of it
            import warnings  # noqa: PLC0415

            warnings.warn(str(error), RuntimeWarning, stacklevel=2)
        config.explain("using the portable transport: %s", error)
        return "portable"
    return "native"


NAME: Final = _choose()
"""The transport in use."""

config.explain("Python %s, transport %s", sys.version.split()[0], NAME)

EOF_DESPITE_INHERITED_ENDS: Final = NAME == "native"
"""Whether a pipe's end of file is seen while forked siblings hold copies of the closed end."""

OUT_OF_BAND_BUFFERS: Final = NAME == "native"
"""Whether big buffers, such as NumPy's arrays, are received as views of shared memory."""

if NAME == "native":
    from procession._engine import native

    native.set_fallback(pickler.by_value)
    MAIN.listen(native.set_main_by_value)

if TYPE_CHECKING:
    from procession._engine.ipc.native_connection import Connection, Pipe, recv_handle, send_handle
    from procession._engine.ipc.native_queue import JoinableQueue, Queue, SimpleQueue

if TYPE_CHECKING or NAME == "native":
    from procession._engine.ipc.native_handover import MessageQueue
    from procession._engine.ipc.native_waiting import wait

    _LATE = {
        **dict.fromkeys(("Connection", "Pipe", "recv_handle", "send_handle"), "native_connection"),
        **dict.fromkeys(("JoinableQueue", "Queue", "SimpleQueue"), "native_queue"),
    }

    def __getattr__(name: str) -> Any:
        if name not in _LATE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = f"procession._engine.ipc.{_LATE[name]}"
        __import__(home)
        return globals().setdefault(name, getattr(sys.modules[home], name))

else:
    from procession._engine.ipc.portable_connection import (
        Connection,
        Pipe,
        recv_handle,
        send_handle,
    )
    from procession._engine.ipc.portable_queue import JoinableQueue, Queue, SimpleQueue
    from procession._engine.ipc.portable_queue import Queue as MessageQueue
    from procession._engine.ipc.waiting import wait
