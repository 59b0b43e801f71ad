"""``concurrent.futures.ProcessPoolExecutor`` over our contexts: its calls may carry any code.

The executor puts its calls into a queue of the standard library's own kind, even where the context
is ours, and that queue pickles with ForkingPickler.  A reducer for the class of these calls,
registered there as anybody may, hands what the user gave to our pickler.
"""

from __future__ import annotations

import sys
from multiprocessing.reduction import ForkingPickler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["EXECUTOR", "serve_executors"]

EXECUTOR = "concurrent.futures.process"


def serve_executors() -> None:
    """Register the reducer, if the program has loaded the executor."""
    module = sys.modules.get(EXECUTOR)
    if module is None:
        return
    kind = getattr(module, "_CallItem", None)
    reducers: dict[type, Any] = ForkingPickler._extra_reducers  # type: ignore[attr-defined]  # noqa: SLF001
    if isinstance(kind, type) and kind not in reducers:
        ForkingPickler.register(kind, _reduce_call)


def _reduce_call(call: Any) -> tuple[Callable[..., Any], tuple[type, bytes]]:
    from procession._engine.wire import pickler  # noqa: PLC0415  # each start imports this module

    return _make_call, (type(call), pickler.dumps(vars(call)))


def _make_call(kind: type, data: bytes) -> Any:
    """In the worker: build the call again."""
    from procession._engine.wire import pickler  # noqa: PLC0415  # as above

    call: Any = object.__new__(kind)
    vars(call).update(pickler.loads(data))
    return call
