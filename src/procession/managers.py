"""Door, adapted: managers run in our processes, their pools are ours; the rest is passed on."""

from multiprocessing.managers import BaseProxy, Token

from procession._engine import passthrough
from procession._engine.context import _default_context
from procession._engine.pool.manager import BaseManager, SharedMemoryManager, SyncManager

__all__ = [
    "BaseManager",
    "BaseProxy",
    "SharedMemoryManager",
    "SyncManager",
    "Token",
]

if not passthrough.TYPE_CHECKING:
    __getattr__ = passthrough.names_of("multiprocessing.managers", __name__)

# The layers below know no contexts; a manager that is given none asks for the program's.
BaseManager.default_context = _default_context.get_context
