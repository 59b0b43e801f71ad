"""Lent descriptors: whoever reads the pickle has them, as often as it is read, until the end."""

from __future__ import annotations

import os
import pickle
import sys

import pytest

from procession._engine.wire.descriptors import SharedDescriptors, share
from procession._engine.wire.loan import Loan

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a handle is taken once")


def lent(loan: Loan, *descriptors: int) -> bytes:
    """The pickle of descriptors that are lent."""
    with loan:
        return pickle.dumps(share(descriptors))


def take(data: bytes) -> tuple[int, ...]:
    shared: SharedDescriptors = pickle.loads(data)
    return shared.take()


def close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def test_what_is_lent_may_be_taken_again_and_again() -> None:
    """Each reader of the pickle gets descriptors of its own of the same files."""
    reader, writer = os.pipe()
    loan = Loan()
    data = lent(loan, reader, writer)
    for number in range(3):
        got_reader, got_writer = take(data)
        os.write(got_writer, bytes([number]))
        assert os.read(got_reader, 10) == bytes([number])
        close(got_reader, got_writer)
    loan.end()
    close(reader, writer)


def test_whoever_comes_after_the_end_is_turned_away(capfd: pytest.CaptureFixture[str]) -> None:
    """ConnectionError for the late reader, and not a word in the lending process."""
    reader, writer = os.pipe()
    loan = Loan()
    data = lent(loan, writer)
    loan.end()
    for _ in range(2):
        with pytest.raises(ConnectionError):
            take(data)
    close(*take(pickle.dumps(share([writer]))))  # the serving thread has gone through all of it
    assert capfd.readouterr().err == ""
    close(reader, writer)


def test_many_loans_end_and_leave_nothing() -> None:
    """What is remembered of ended loans is bounded."""
    from multiprocessing import resource_sharer

    served = resource_sharer._resource_sharer._cache  # type: ignore[attr-defined]
    reader, writer = os.pipe()
    for _ in range(300):
        loan = Loan()
        lent(loan, reader, writer)
        assert loan
        loan.end()
        assert not loan
    assert len(served) < 100
    close(reader, writer)


def test_what_is_shared_outside_of_the_block_is_no_loan() -> None:
    """Only what is shared within the ``with`` block is lent."""
    reader, writer = os.pipe()
    loan = Loan()
    lent(loan, writer)
    data = pickle.dumps(share([writer]))
    loan.end()
    close(*take(data))
    close(reader, writer)
