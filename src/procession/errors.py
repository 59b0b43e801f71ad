"""Door, ours: every exception that procession raises beyond Python's own, to be caught by name."""

from procession._engine.errors import (
    Attempt,
    AuthenticationError,
    BufferTooShort,
    Empty,
    Full,
    ProcessError,
    RemoteError,
    TaskTimeoutError,
    TimeoutError,  # noqa: A004  # the name of the standard library
    WorkerDied,
)

__all__ = [
    "Attempt",
    "AuthenticationError",
    "BufferTooShort",
    "Empty",
    "Full",
    "ProcessError",
    "RemoteError",
    "TaskTimeoutError",
    "TimeoutError",
    "WorkerDied",
]
