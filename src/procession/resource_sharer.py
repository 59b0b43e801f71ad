"""Door, passed through: the very objects of `multiprocessing.resource_sharer`."""

import sys
from multiprocessing.resource_sharer import stop

from procession._engine import passthrough

__all__ = ["stop"]

if sys.platform == "win32":
    from multiprocessing.resource_sharer import DupSocket

    __all__ += ["DupSocket"]
else:
    from multiprocessing.resource_sharer import DupFd

    __all__ += ["DupFd"]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.resource_sharer", __name__)
