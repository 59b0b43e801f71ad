"""Every public name of the running standard library is ours too, or absent for a reason."""

from __future__ import annotations

import importlib
import inspect
import multiprocessing
import re
import sys
from pathlib import Path

import pytest

import procession
from tests.conftest import RunScript
from tests.doors.surface import ABSENT, door, public_names, standard_modules

MODULES = sorted(standard_modules())


def test_package_has_the_names_of_the_standard_library() -> None:
    """``from procession import *`` gives what ``from multiprocessing import *`` gives."""
    assert sorted(procession.__all__) == sorted(multiprocessing.__all__)
    for name in multiprocessing.__all__:
        assert hasattr(procession, name), name


def test_package_names_its_version() -> None:
    """``procession.__version__`` is the version that the build file gives."""
    build_file = Path(__file__).parents[2] / "meson.build"
    written = re.search(r"version: '([^']+)'", build_file.read_text(encoding="utf-8"))
    assert written is not None
    assert procession.__version__ == written[1]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_door(name: str) -> None:
    """Each module of ``multiprocessing`` exists under ``procession``."""
    assert door(name).__name__ == f"procession.{name}"


@pytest.mark.parametrize("name", MODULES)
def test_every_name_is_there_or_absent_for_a_reason(name: str) -> None:
    """Each name a program can reach in the standard module can be reached in ours."""
    missing = {
        public
        for public in public_names(standard_modules()[name])
        if not hasattr(door(name), public)
    }
    unexplained = missing - ABSENT.get(name, {}).keys()
    assert not unexplained


@pytest.mark.parametrize("name", MODULES)
def test_star_import_gives_at_least_the_standard_names(name: str) -> None:
    """``from procession.x import *`` gives what the standard module's gives."""
    standard = standard_modules()[name]
    listed = {public for public in getattr(standard, "__all__", ()) if hasattr(standard, public)}
    assert listed - ABSENT.get(name, {}).keys() <= set(door(name).__all__)
    for public in door(name).__all__:
        assert hasattr(door(name), public), public


def test_absent_names_are_absent() -> None:
    """The list of absent names has no entry that is not so, and a reason for each."""
    for name, reasons in ABSENT.items():
        for public, reason in reasons.items():
            assert not hasattr(door(name), public), f"{name}.{public} is there: {reason}"
            assert len(reason) > 10, f"{name}.{public}: why?"


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that exists nowhere is refused, by a message that names the module."""
    for name in MODULES:
        with pytest.raises(AttributeError, match=f"procession.{name}"):
            _ = door(name).no_such_name
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = procession.no_such_name  # type: ignore[attr-defined]


def test_submodules_are_reached_without_importing_them(run_script: RunScript) -> None:
    """``import procession as multiprocessing`` suffices for ``multiprocessing.pool.ThreadPool``."""
    outcome = run_script(
        """
        import procession as multiprocessing

        multiprocessing.pool.ThreadPool
        multiprocessing.connection.Listener, multiprocessing.connection.Client
        multiprocessing.connection.wait
        multiprocessing.context.TimeoutError
        multiprocessing.reducer.ForkingPickler
        multiprocessing.dummy.Pool
        multiprocessing.shared_memory.SharedMemory
        multiprocessing.managers.SyncManager
        print(multiprocessing.context.TimeoutError is multiprocessing.TimeoutError)
        """
    )
    assert outcome.stdout.strip() == "True"


def test_module_of_another_platform_does_not_import() -> None:
    """The launcher of Windows imports on Windows only, as in the standard library."""
    if sys.platform == "win32":
        importlib.import_module("procession.popen_spawn_win32")
        return
    with pytest.raises(ImportError):
        importlib.import_module("procession.popen_spawn_win32")


@pytest.mark.parametrize("name", sorted(multiprocessing.__all__))
def test_functions_take_the_standard_arguments(name: str) -> None:
    """Each function takes the arguments of the standard one, by the same names and order."""
    standard, ours = getattr(multiprocessing, name), getattr(procession, name)
    if not callable(standard) or isinstance(standard, type):
        assert type(ours) is type(standard)
        return
    expected = inspect.signature(standard).parameters
    given = inspect.signature(ours).parameters
    assert list(given)[: len(expected)] == list(expected)
    for parameter in expected:
        assert given[parameter].kind == expected[parameter].kind
        assert given[parameter].default == expected[parameter].default


def test_exceptions_are_the_standard_ones() -> None:
    """``except multiprocessing.TimeoutError`` catches ours: they are the same classes."""
    for name in ("ProcessError", "BufferTooShort", "TimeoutError", "AuthenticationError"):
        assert getattr(procession, name) is getattr(multiprocessing, name)


def test_registry_is_the_standard_one() -> None:
    """Processes, finalizers, fork hooks and the logger are kept in one place."""
    assert procession.current_process() is multiprocessing.current_process()
    assert procession.active_children is multiprocessing.active_children
    assert procession.get_logger() is multiprocessing.get_logger()
    for module in ("util", "resource_tracker", "spawn", "forkserver"):
        standard = standard_modules()[module]
        for name in standard.__all__:
            assert getattr(door(module), name) is getattr(standard, name)


def test_public_classes_carry_the_name_of_their_door() -> None:
    """Text and pickles say ``procession.context``, where a program can import it from."""
    for name in ("Process", "SpawnProcess", "BaseContext", "DefaultContext", "SpawnContext"):
        kind = getattr(door("context"), name)
        assert kind.__module__ == "procession.context"
        assert getattr(importlib.import_module(kind.__module__), kind.__qualname__) is kind
