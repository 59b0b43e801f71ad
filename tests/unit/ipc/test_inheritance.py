"""Which connections a Process object leads to, and that the others are weakened."""

from __future__ import annotations

import functools
import gc
import types
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from typing import Any

import pytest

from procession._engine.ipc import inheritance


class FakeConnection:
    """Records that it was weakened."""

    def __init__(self) -> None:
        self.closed = False
        self.weakened = False
        inheritance.register(self)

    def weaken(self) -> None:
        """Record it."""
        self.weakened = True

    def send(self, obj: Any) -> None:
        """Something to be bound."""


in_a_global = FakeConnection()
in_a_list = [FakeConnection()]
module = types.ModuleType("some_module_of_the_program")
module.__dict__["its_connection"] = FakeConnection()


@pytest.fixture(autouse=True)
def fresh() -> None:
    """The connections of this module, as new."""
    gc.collect()
    for each in (in_a_global, in_a_list[0], module.its_connection):
        each.weakened = False


def weakened_by(target: Any, *args: Any, **kwargs: Any) -> Callable[[FakeConnection], bool]:
    """Weaken as in the child of a Process of this target; tells who was."""
    process = get_context("spawn").Process(target=target, args=args, kwargs=kwargs)
    inheritance.weaken_unreachable(process)
    return lambda connection: connection.weakened


def idle(*args: Any, **kwargs: Any) -> None:
    """Names nothing."""


def names_a_global() -> None:
    """Name a global."""
    in_a_global.send(1)


def calls_another() -> None:
    """Name a function that names a global."""
    names_a_global()


def names_it_in_a_nested_function() -> Any:
    """Name a global two functions deep."""

    def inner() -> Any:
        return lambda: in_a_list

    return inner


def names_a_module() -> None:
    """Name a global of another module."""
    module.its_connection.send(1)


class WithSlots:
    __slots__ = ("__hidden", "shown")

    def __init__(self, connection: Any) -> None:
        self.__hidden = connection

    def work(self) -> None:
        """A method as a target."""


class WithRun:
    def run(self) -> None:
        """Name a global."""
        in_a_global.send(1)


def test_what_nobody_leads_to_is_weakened() -> None:
    """A connection that the process was not given is weakened."""
    stray = FakeConnection()
    assert weakened_by(idle)(stray)
    assert in_a_global.weakened


def test_closed_connections_are_left_alone() -> None:
    """There is nothing to weaken about a closed connection."""
    stray = FakeConnection()
    stray.closed = True
    assert not weakened_by(idle)(stray)


def generator_over(connection: FakeConnection) -> Iterator[int]:
    """Hold a connection in a frame."""
    yield 1
    connection.send(1)


def generator_naming_a_global() -> Iterator[int]:
    """Name a global after its first value."""
    yield 1
    in_a_global.send(1)


def started(generator: Iterator[int]) -> Iterator[int]:
    """Bring a generator to its first yield."""
    next(generator)
    return generator


@pytest.mark.parametrize(
    "wrap",
    [
        lambda c: c,
        lambda c: [c],
        lambda c: {"key": (c,)},
        lambda c: {1: {2: {3: [c]}}},
        lambda c: functools.partial(idle, c),
        lambda c: functools.partial(idle, key=[c]),
        lambda c: c.send,
        WithSlots,
        lambda c: WithSlots(c).work,
        lambda c: types.SimpleNamespace(inner=types.SimpleNamespace(c=c)),
        lambda c: lambda: c,
        lambda c: iter([c]),
        lambda c: map(idle, [c]),
        lambda c: started(generator_over(c)),
        lambda c: types.MappingProxyType({1: c}),
        lambda c: type("Program", (), {"__module__": "program", "c": c}),
        lambda c: lambda x=c: x,
    ],
)
def test_what_the_arguments_lead_to_is_kept(wrap: Callable[[Any], Any]) -> None:
    """However an argument holds a connection, the connection is kept as it is."""
    given, stray = FakeConnection(), FakeConnection()
    weakened = weakened_by(idle, wrap(given))
    assert not weakened(given)
    assert weakened(stray)
    given, stray = FakeConnection(), FakeConnection()
    weakened = weakened_by(idle, named=wrap(given))
    assert not weakened(given)
    assert weakened(stray)


def test_what_the_target_closes_over_is_kept() -> None:
    """A closure as a target keeps what it closes over."""
    given, stray = FakeConnection(), FakeConnection()

    def target() -> None:
        given.send(1)

    weakened = weakened_by(target)
    assert not weakened(given)
    assert weakened(stray)


@pytest.mark.parametrize("target", [names_a_global, calls_another, WithRun().run])
def test_globals_that_code_names_are_kept(target: Callable[[], None]) -> None:
    """A global that the target's code, or code that it reaches, names is kept."""
    weakened_by(target)
    assert not in_a_global.weakened
    assert in_a_list[0].weakened


def test_generators_lead_to_the_globals_that_they_name() -> None:
    """A generator that has begun leads to no more of its module than a function does."""
    weakened_by(idle, started(generator_naming_a_global()))
    assert not in_a_global.weakened
    assert in_a_list[0].weakened


def test_names_in_nested_code_count() -> None:
    """Functions inside of functions are read as well."""
    weakened_by(names_it_in_a_nested_function)
    assert not in_a_list[0].weakened
    assert in_a_global.weakened


def test_globals_of_named_modules_count() -> None:
    """``module.connection`` in a function keeps that module's connection."""
    weakened_by(names_a_module)
    assert not module.its_connection.weakened
    assert in_a_global.weakened


def test_too_much_to_search_weakens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the search gives up, every connection stays as it was inherited."""
    monkeypatch.setattr(inheritance, "LARGEST_SEARCH", 100)
    stray = FakeConnection()
    assert not weakened_by(idle, [object() for _ in range(200)])(stray)


def test_objects_with_their_own_ideas_are_not_asked() -> None:
    """The search runs no code of the program: no __getattr__, no property, no __iter__."""

    class Touchy:
        def __init__(self, connection: Any) -> None:
            self.__dict__["connection"] = connection

        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("do not ask")

        def __iter__(self) -> Any:
            raise RuntimeError("do not ask")

        def __hash__(self) -> int:
            raise RuntimeError("do not ask")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("do not ask")

    given, stray = FakeConnection(), FakeConnection()
    touchy = Touchy.__new__(Touchy)
    object.__getattribute__(touchy, "__dict__")["connection"] = given
    weakened = weakened_by(idle, touchy)
    assert not weakened(given)
    assert weakened(stray)
