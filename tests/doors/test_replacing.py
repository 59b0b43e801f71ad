"""Replacing a name of a door, as tests and work-arounds of programs do."""

from __future__ import annotations

import multiprocessing.connection
import multiprocessing.dummy.connection
import multiprocessing.resource_tracker
import multiprocessing.shared_memory
from unittest import mock

import procession.connection
import procession.dummy.connection
import procession.resource_tracker
import procession.shared_memory


def test_a_name_that_is_lent_out_is_replaced_where_it_works() -> None:
    """A listed name is replaced in the standard module, too, and comes back."""
    original = multiprocessing.resource_tracker.register
    with mock.patch("procession.resource_tracker.register") as replacement:
        assert multiprocessing.resource_tracker.register is replacement
        assert procession.resource_tracker.register is replacement
    assert multiprocessing.resource_tracker.register is original
    assert procession.resource_tracker.register is original


def test_a_private_name_is_replaced_where_it_works() -> None:
    """A name that the door does not spell out is replaced in the standard module only."""
    standard = vars(multiprocessing.shared_memory)
    original = standard["_make_filename"]
    with mock.patch("procession.shared_memory._make_filename", return_value="/psm_mine"):
        memory = procession.shared_memory.SharedMemory(create=True, size=1)
        memory.close()
        memory.unlink()
        assert memory.name == "psm_mine"
    assert standard["_make_filename"] is original
    assert "_make_filename" not in vars(procession.shared_memory)


def test_a_name_of_ours_is_replaced_here_only() -> None:
    """Whoever replaces our ``wait`` (ours on every transport) leaves the standard one alone."""
    original = multiprocessing.connection.wait
    with mock.patch("procession.connection.wait") as replacement:
        assert procession.connection.wait is replacement
        assert multiprocessing.connection.wait is original


def test_importing_a_submodule_replaces_nothing() -> None:
    """The import system sets our submodules as attributes of our packages, not of others."""
    assert multiprocessing.dummy.connection.__name__ == "multiprocessing.dummy.connection"
    assert procession.dummy.connection.__name__ == "procession.dummy.connection"
