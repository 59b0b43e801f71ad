"""The serializer and identity: what is one object in the sender is one in the receiver.

For what can change (lists, dicts) this holds always, as with pickle.  What cannot change may
arrive as several equal objects, but never makes a message much longer than its pickle.
"""

from __future__ import annotations

from typing import Any

import pytest

from procession._native import _decode, _encode

TAGS, PICKLE = 2, 3


def kind_of(obj: Any) -> int:
    """The way an object takes."""
    return int(_encode(obj)[0])


def round_trip(obj: Any) -> Any:
    """The object as another process would get it."""
    return _decode(*_encode(obj))


def test_a_shared_list_stays_shared() -> None:
    """A list that occurs twice arrives as one list, as it would through pickle."""
    inner: list[int] = [1]
    received = round_trip([inner, inner])
    assert received[0] is received[1]


def test_a_list_inside_of_a_repeated_tuple_stays_shared() -> None:
    """A list with one reference occurs twice when the tuple around it does."""
    pair: tuple[list[int]] = ([1],)
    received = round_trip([pair, pair])
    assert received[0][0] is received[1][0]
    received = round_trip(((pair,), {"again": (pair,)}))
    assert received[0][0][0] is received[1]["again"][0][0]


def test_a_dict_below_a_repeated_tuple_and_a_list_stays_shared() -> None:
    """Sharing is noticed however far below the repeated tuple it is."""
    pair = (([{"a": 1}],),)
    received = round_trip((pair, pair))
    assert received[0][0][0][0] is received[1][0][0][0]


def test_equal_but_distinct_lists_stay_distinct() -> None:
    """Two lists that are merely equal are not merged."""
    received = round_trip([[1], [1], {}, {}])
    assert received[0] is not received[1]
    assert received[2] is not received[3]


def test_a_container_held_elsewhere_still_avoids_pickle() -> None:
    """References from outside of the message do not count as sharing inside of it."""
    row = {"a": 1}
    batch = [row, {"a": 2}]
    assert kind_of(batch) == TAGS
    assert round_trip(batch) == batch


def test_many_containers_held_elsewhere_are_left_to_pickle() -> None:
    """Where sharing cannot be excluded cheaply, pickle decides; the result is the same."""
    rows = [[i] for i in range(100)]
    assert kind_of(list(rows)) == PICKLE
    assert round_trip(rows) == rows
    assert kind_of([[i] for i in range(100)]) == TAGS


def test_cycles_come_back_as_cycles() -> None:
    """Containers that contain themselves, directly or through others, keep that shape."""
    loop: list[Any] = []
    loop.append(loop)
    received = round_trip(loop)
    assert received[0] is received

    table: dict[str, Any] = {}
    table["self"] = ([table],)
    received = round_trip(table)
    assert received["self"][0][0] is received

    knot: list[Any] = []
    knot.append((knot,))
    received = round_trip(knot.pop())
    assert type(received) is tuple
    assert received[0] == []


def test_a_message_does_not_grow_by_repetition() -> None:
    """Long strings and tuples that occur often are sent once."""
    text = "x" * 10_000
    assert len(_encode([text] * 1000)[1]) < 50_000
    blob = b"x" * 10_000
    assert len(_encode([blob] * 1000)[1]) < 50_000
    level: tuple[Any, ...] = (0,)
    for _ in range(14):
        level = (level,) * 10
    assert len(_encode(level)[1]) < 10_000


def test_deep_nesting_works_as_far_as_pickle_goes() -> None:
    """Beyond what tags take pickle goes on, and beyond what pickle takes RecursionError comes."""
    value: Any = 0
    for _ in range(100):
        value = [value]
    assert round_trip(value) == value
    for _ in range(200_000):
        value = [value]
    with pytest.raises(RecursionError):
        _encode(value)
    assert round_trip([1]) == [1]
