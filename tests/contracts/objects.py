"""Objects that tests put into queues and send through pipes."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from typing import Any

EVERYDAY_OBJECTS: list[Any] = [
    None,
    True,
    0,
    -(2**63),
    2**200,
    1.5,
    float("inf"),
    "",
    "hello",
    "\N{SNOWMAN} and \U0001f40d",
    b"",
    b"\0bytes",
    bytearray(b"array"),
    (),
    (1, "two", 3.0),
    [42, None, "hello"],
    {"a": 1, 2: [3, {4: 5}]},
    {1, 2, 3},
    frozenset({"x"}),
    OrderedDict(a=1),
    Decimal("1.10"),
    range(3),
    complex(1, 2),
    int,
    len,
    ValueError("with a text"),
    Ellipsis,
]

BORDERS = sorted(
    {0, 1} | {base + off for base in (4096, 32768, 65536, 1 << 20) for off in (-64, -1, 0, 1, 64)}
)


class Unpicklable:
    """Raises when it is pickled."""

    def __reduce__(self) -> Any:
        raise RuntimeError("will not be pickled")


def _refuse() -> None:
    raise RuntimeError("will not be unpickled")


class Unloadable:
    """Pickles, and raises when it is unpickled."""

    def __reduce__(self) -> Any:
        return _refuse, ()
