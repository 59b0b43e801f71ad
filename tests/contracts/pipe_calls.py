"""Calls of connections that raise, to be compared with the standard library's."""

from __future__ import annotations

from typing import Any

# A method and its arguments each.
WRONG_CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("send_bytes", (b"abc", -1)),
    ("send_bytes", (b"abc", 4)),
    ("send_bytes", (b"abc", 0, -1)),
    ("send_bytes", (b"abc", 1, 3)),
    ("send_bytes", ("text",)),
    ("send_bytes", (None,)),
    ("send_bytes", ()),
    ("send", ()),
    ("recv", (1,)),
    ("recv_bytes", (-1,)),
    ("recv_bytes", ("1",)),
    ("recv_bytes_into", (b"read-only",)),
    ("recv_bytes_into", (bytearray(4), -1)),
    ("recv_bytes_into", (bytearray(4), 5)),
    ("recv_bytes_into", (None,)),
    ("poll", ("soon",)),
    ("poll", (1, 2, 3)),
]

# Right calls, each wrong on a closed end.
RIGHT_CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("send", (1,)),
    ("recv", ()),
    ("send_bytes", (b"x",)),
    ("recv_bytes", ()),
    ("recv_bytes_into", (bytearray(1),)),
    ("poll", ()),
    ("fileno", ()),
]
