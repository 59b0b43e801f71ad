"""Door, passed through: the very objects of `multiprocessing.sharedctypes`."""

from multiprocessing.sharedctypes import (
    Array,
    RawArray,
    RawValue,
    Value,
    copy,
    synchronized,
)

from procession._engine import passthrough

__all__ = [
    "Array",
    "RawArray",
    "RawValue",
    "Value",
    "copy",
    "synchronized",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.sharedctypes", __name__)
