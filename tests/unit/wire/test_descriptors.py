"""Descriptors in a pickle: those that travel are usable and owned by who took them."""

from __future__ import annotations

import os
import pickle

import pytest

from procession._engine.wire.descriptors import ABSENT, SharedDescriptors, share


def travel(shared: SharedDescriptors) -> SharedDescriptors:
    """Through a pickle and back."""
    received: SharedDescriptors = pickle.loads(pickle.dumps(shared))
    return received


def test_descriptors_arrive_in_order_and_work() -> None:
    """What was shared is received in the same order, as descriptors of the same files."""
    reader, writer = os.pipe()
    got_reader, absent, got_writer = travel(share((reader, ABSENT, writer))).take()
    assert absent == ABSENT
    os.write(got_writer, b"hello")
    assert os.read(reader, 10) == b"hello"
    os.write(writer, b"world")
    assert os.read(got_reader, 10) == b"world"
    for descriptor in (reader, writer, got_reader, got_writer):
        os.close(descriptor)


def test_a_descriptor_that_occurs_twice_arrives_as_two() -> None:
    """Each place has a descriptor of its own to close."""
    reader, writer = os.pipe()
    first, second = travel(share((writer, writer))).take()
    assert first != second
    os.close(first)
    os.write(second, b"x")
    assert os.read(reader, 1) == b"x"
    for descriptor in (second, reader, writer):
        os.close(descriptor)


def test_a_closed_descriptor_is_refused() -> None:
    """Sharing a descriptor that is not open raises OSError in the giving process."""
    reader, writer = os.pipe()
    os.close(writer)
    with pytest.raises(OSError, match="Bad file descriptor"):
        share((writer, reader))
    with pytest.raises(OSError, match="Bad file descriptor"):
        share((reader, writer))  # and does not keep a duplicate of the one that was good
    os.close(reader)
