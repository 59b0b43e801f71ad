"""Door, ours: the contexts and the process classes of each start method."""

import sys
from multiprocessing import reduction
from multiprocessing.context import (  # type: ignore[attr-defined]  # the table of start methods
    AuthenticationError,
    BufferTooShort,
    ProcessError,
    TimeoutError,  # noqa: A004  # the name of the standard library
    _concrete_contexts,
    assert_spawning,
    get_spawning_popen,
    set_spawning_popen,
)

from procession._engine.context import BaseContext, DefaultContext, SpawnContext, _default_context
from procession._engine.process.process import Process, SpawnProcess

__all__ = [
    "AuthenticationError",
    "BaseContext",
    "BufferTooShort",
    "DefaultContext",
    "Process",
    "ProcessError",
    "SpawnContext",
    "SpawnProcess",
    "TimeoutError",
    "_concrete_contexts",
    "_default_context",
    "assert_spawning",
    "get_spawning_popen",
    "reduction",
    "set_spawning_popen",
]

if sys.platform != "win32":
    from procession._engine.context import ForkContext, ForkServerContext
    from procession._engine.process.process import ForkProcess, ForkServerProcess

    __all__ += ["ForkContext", "ForkProcess", "ForkServerContext", "ForkServerProcess"]
