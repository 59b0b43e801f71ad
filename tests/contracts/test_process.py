"""Process, under every start method: what a child is given, and what it knows of itself."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

import procession
from procession.context import BaseContext
from tests.contracts.process_children import heard, waiting_child
from tests.waiting import HANG_GUARD_SECONDS


def test_child_knows_itself_and_its_parent(context: BaseContext) -> None:
    """A child has its own pid and the name it was given, and knows its parent's."""
    keys = ("name", "pid", "ident", "parent's pid", "parent's name", "parent alive", "registry")
    name, pid, ident, parent, parents_name, alive, registry = heard(context, *keys, name="bob")
    assert name == "bob"
    assert pid == ident != os.getpid()
    assert parent == os.getpid()
    assert parents_name == multiprocessing.current_process().name
    assert alive
    assert registry


def test_forked_and_spawned_children_have_us_as_their_parent(context: BaseContext) -> None:
    """The system's parent pid is ours, but under forkserver, where it is the server's."""
    (parent_pid,) = heard(context, "parent pid")
    assert (parent_pid == os.getpid()) is (context.get_start_method() != "forkserver")


def test_child_has_the_start_method_and_class_of_its_context(context: BaseContext) -> None:
    """What a child starts in turn is started by the same method as itself."""
    method, kind = heard(context, "start method", "class")
    assert method == context.get_start_method()
    assert kind == f"procession.context.{context.Process.__name__}"


def test_child_has_our_authkey(context: BaseContext) -> None:
    """Connections between relatives authenticate without further ado."""
    (authkey,) = heard(context, "authkey")
    assert authkey == bytes(multiprocessing.current_process().authkey)


def test_default_names_count_up(context: BaseContext) -> None:
    """Processes without a name are told apart by class and number."""
    first, second = context.Process(), context.Process()
    kind, number = first.name.rsplit("-", 1)
    assert kind == context.Process.__name__
    assert second.name == f"{kind}-{int(number) + 1}"


def test_arguments_arrive(context: BaseContext) -> None:
    """Positional and keyword arguments reach the target."""
    ours, childs = multiprocessing.Pipe(duplex=False)
    with ours, childs:
        process = context.Process(target=send_all, args=(childs, 1), kwargs={"two": 2})
        process.start()
        assert ours.recv() == ((1,), {"two": 2})
        process.join(HANG_GUARD_SECONDS)
    process.close()


def send_all(receiver: Any, *args: Any, **kwargs: Any) -> None:
    """In a child: send the arguments back."""
    receiver.send((args, kwargs))


def test_subclass_overrides_run(context: BaseContext) -> None:
    """A subclass says what to do in ``run``; its attributes arrive with it."""
    kinds = {"fork": ForkedAdder, "spawn": SpawnedAdder, "forkserver": ServedAdder}
    ours, childs = multiprocessing.Pipe(duplex=False)
    with ours, childs:
        process = kinds[context.get_start_method()](childs, 1, 2)
        process.start()
        assert ours.recv() == 3
        process.join(HANG_GUARD_SECONDS)
    process.close()


class _Adder:
    def __init__(self, receiver: Any, *numbers: int) -> None:
        super().__init__()
        self.receiver = receiver
        self.numbers = numbers

    def run(self) -> None:
        self.receiver.send(sum(self.numbers))


class ForkedAdder(_Adder, procession.get_context("fork").Process):  # type: ignore[misc]
    pass


class SpawnedAdder(_Adder, procession.get_context("spawn").Process):  # type: ignore[misc]
    pass


class ServedAdder(_Adder, procession.get_context("forkserver").Process):  # type: ignore[misc]
    pass


def test_child_sees_its_object_unchanged(context: BaseContext) -> None:
    """Nothing of ours stays on the Process object while the program's code runs."""
    ours, childs = multiprocessing.Pipe(duplex=False)
    with ours, childs:
        process = context.Process(target=send_attributes, args=(childs,))
        process.start()
        seen = ours.recv()
        process.join(HANG_GUARD_SECONDS)
    process.close()
    plain = vars(multiprocessing.get_context(context.get_start_method()).Process())
    assert set(seen) == set(plain)


def send_attributes(receiver: Any) -> None:
    """In a child: send the names of the attributes of its Process."""
    receiver.send(list(vars(procession.current_process())))


def nest(method: str, depth: int, receiver: Any) -> None:
    """In a child: start a child, so many deep, and send the pids from the innermost out."""
    if depth:
        process = procession.get_context(method).Process(
            target=nest, args=(method, depth - 1, receiver)
        )
        process.start()
        process.join()
        process.close()
    receiver.send(os.getpid())


def test_processes_nest(context: BaseContext) -> None:
    """Children may start children."""
    ours, childs = multiprocessing.Pipe(duplex=False)
    with ours, childs:
        process = context.Process(target=nest, args=(context.get_start_method(), 2, childs))
        process.start()
        pids = [ours.recv() for _ in range(3)]
        process.join(HANG_GUARD_SECONDS)
        assert pids[-1] == process.pid
        assert len(set(pids)) == 3
    process.close()


def test_active_children_are_those_that_run(context: BaseContext) -> None:
    """Our children are in the standard library's registry, as long as they run."""
    process = waiting_child(context)
    assert procession.active_children() == multiprocessing.active_children() == [process]
    process.kill()
    process.join(HANG_GUARD_SECONDS)
    assert procession.active_children() == []
    process.close()


def test_repr_tells_name_pid_and_state(context: BaseContext) -> None:
    """The text of a Process says what is known of it."""
    process = waiting_child(context, name="bob", daemon=True)
    assert "'bob'" in repr(process)
    assert f"pid={process.pid}" in repr(process)
    assert "started" in repr(process)
    assert "daemon" in repr(process)
    process.kill()
    process.join(HANG_GUARD_SECONDS)
    assert "exitcode=-SIGKILL" in repr(process)
    process.close()
