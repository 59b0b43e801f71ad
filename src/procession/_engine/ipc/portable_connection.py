"""Connection and Pipe of the portable transport: the standard library's own.

They are sound, pickle in the caller, can be handed to processes and sent through queues and
connections, and exist on every platform.  What they cannot do is documented as
``EOF_DESPITE_INHERITED_ENDS`` in ``ipc.transport``: a forked sibling that inherited a copy of
an end keeps the other side from seeing the end of file, as in the standard library.
"""

from __future__ import annotations

from multiprocessing.connection import Connection, Pipe
from multiprocessing.reduction import recv_handle, send_handle

__all__ = ["Connection", "Pipe", "recv_handle", "send_handle"]
