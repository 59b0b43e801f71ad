"""Process parallelism for Python: Pool, Process, Queue and Pipe, as `multiprocessing` names them.

``import procession as multiprocessing`` keeps a program working.  What goes beyond the standard
library: options of ``procession.pool.Pool``, ``procession.futures``, ``procession.joblib``,
``procession.errors``, and ``python -m procession --help``.

Door, ours.  Each spawned child of a program imports this package again, so names are looked up
late.
"""

from procession._engine import passthrough

__all__ = [
    "Array",
    "AuthenticationError",
    "Barrier",
    "BoundedSemaphore",
    "BufferTooShort",
    "Condition",
    "Event",
    "JoinableQueue",
    "Lock",
    "Manager",
    "Pipe",
    "Pool",
    "Process",
    "ProcessError",
    "Queue",
    "RLock",
    "RawArray",
    "RawValue",
    "Semaphore",
    "SimpleQueue",
    "TimeoutError",
    "Value",
    "active_children",
    "allow_connection_pickling",
    "cpu_count",
    "current_process",
    "freeze_support",
    "get_all_start_methods",
    "get_context",
    "get_logger",
    "get_start_method",
    "log_to_stderr",
    "parent_process",
    "reducer",
    "set_executable",
    "set_forkserver_preload",
    "set_start_method",
]

__version__ = "0.1.0"

if passthrough.TYPE_CHECKING:
    from procession._engine.context import _default_context as _context

    from . import connection as connection
    from . import context as context
    from . import dummy as dummy
    from . import errors as errors
    from . import forkserver as forkserver
    from . import futures as futures
    from . import heap as heap
    from . import joblib as joblib
    from . import managers as managers
    from . import pool as pool
    from . import process as process
    from . import queues as queues
    from . import reduction as reduction
    from . import resource_sharer as resource_sharer
    from . import resource_tracker as resource_tracker
    from . import shared_memory as shared_memory
    from . import sharedctypes as sharedctypes
    from . import spawn as spawn
    from . import synchronize as synchronize
    from . import util as util

    Array = _context.Array
    AuthenticationError = _context.AuthenticationError
    Barrier = _context.Barrier
    BoundedSemaphore = _context.BoundedSemaphore
    BufferTooShort = _context.BufferTooShort
    Condition = _context.Condition
    Event = _context.Event
    JoinableQueue = _context.JoinableQueue
    Lock = _context.Lock
    Manager = _context.Manager
    Pipe = _context.Pipe
    Pool = _context.Pool
    Process = _context.Process
    ProcessError = _context.ProcessError
    Queue = _context.Queue
    RLock = _context.RLock
    RawArray = _context.RawArray
    RawValue = _context.RawValue
    Semaphore = _context.Semaphore
    SimpleQueue = _context.SimpleQueue
    TimeoutError = _context.TimeoutError  # noqa: A001
    Value = _context.Value
    active_children = _context.active_children
    allow_connection_pickling = _context.allow_connection_pickling
    cpu_count = _context.cpu_count
    current_process = _context.current_process
    freeze_support = _context.freeze_support
    get_all_start_methods = _context.get_all_start_methods
    get_context = _context.get_context
    get_logger = _context.get_logger
    get_start_method = _context.get_start_method
    log_to_stderr = _context.log_to_stderr
    parent_process = _context.parent_process
    reducer = _context.reducer
    set_executable = _context.set_executable
    set_forkserver_preload = _context.set_forkserver_preload
    set_start_method = _context.set_start_method
else:
    __getattr__ = passthrough.late_names_of(
        __name__,
        "connection context dummy errors forkserver futures heap joblib managers pool popen_fork"
        " popen_forkserver popen_spawn_posix popen_spawn_win32 process queues reduction"
        " resource_sharer resource_tracker shared_memory sharedctypes spawn synchronize util",
        "procession._engine.context:_default_context",
        __all__,
    )
    __dir__ = passthrough.listing_of(__name__, __all__)
