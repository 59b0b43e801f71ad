"""Process, under every start method: what the standard library's documentation promises."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from multiprocessing import connection
from typing import Any

import pytest

import procession
from procession.context import BaseContext
from tests.conftest import RunScript

GUARD = 60.0
"""Seconds after which something hangs; generous, as the machine may be busy."""

PICKLING_METHODS = pytest.mark.parametrize(
    "method", [name for name in procession.get_all_start_methods() if name != "fork"]
)


def tell(receiver: Any, *what: str) -> None:
    """In a child: send what it sees of itself."""
    me, parent = procession.current_process(), procession.parent_process()
    assert parent is not None
    seen = {
        "name": me.name,
        "pid": os.getpid(),
        "ident": me.ident,
        "parent pid": os.getppid(),
        "parent's pid": parent.pid,
        "parent's name": parent.name,
        "parent alive": parent.is_alive(),
        "daemon": me.daemon,
        "authkey": bytes(me.authkey),
        "start method": procession.get_start_method(),
        "class": type(me).__module__ + "." + type(me).__qualname__,
        "registry": me is multiprocessing.current_process(),
    }
    receiver.send([seen[key] for key in what])
    receiver.close()


def heard(context: BaseContext, *what: str, **options: Any) -> list[Any]:
    """Run ``tell`` in a child; return what it sent."""
    ours, childs = multiprocessing.Pipe(duplex=False)
    with ours, childs:
        process = context.Process(target=tell, args=(childs, *what), **options)
        process.start()
        seen = ours.recv()
        process.join(GUARD)
        assert process.exitcode == 0
    process.close()
    assert isinstance(seen, list)
    return seen


def run_to_end(context: BaseContext, target: Any, *args: Any) -> Any:
    """Run a child until it ends, and return its Process."""
    process = context.Process(target=target, args=args)
    process.start()
    process.join(GUARD)
    return process


def say_exit(code: Any) -> None:
    """In a child: end with ``sys.exit``."""
    sys.exit(code)


def leave_at_once(code: int) -> None:
    """In a child: end without any cleaning up."""
    os._exit(code)


def fail() -> None:
    """In a child: end by an exception that the parent can have whole."""
    raise KeyError("no such thing")


class AwkwardError(Exception):
    """Pickles, but does not unpickle: its state is not what it is made from."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def fail_awkwardly() -> None:
    """In a child: end by an exception that does not unpickle."""
    raise AwkwardError("this", "that")


def fail_locally() -> None:
    """In a child: end by an exception whose class has no importable name."""

    class LocalError(Exception):
        pass

    raise LocalError("of a local class")


def signal_self(number: int) -> None:
    """In a child: end by a signal."""
    os.kill(os.getpid(), number)
    time.sleep(GUARD)


def wait_for_end(ready: Any = None) -> None:
    """In a child: say that it runs, then wait to be ended."""
    if ready is not None:
        ready.send("ready")
    time.sleep(GUARD)


def waiting_child(context: BaseContext, **options: Any) -> Any:
    """Start a child that waits to be ended; return it when it runs."""
    ours, childs = multiprocessing.Pipe(duplex=False)
    with ours, childs:
        process = context.Process(target=wait_for_end, args=(childs,), **options)
        process.start()
        assert ours.recv() == "ready"
    return process


def do_nothing() -> None:
    """In a child: end well."""


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
        process.join(GUARD)
    process.close()


def send_all(receiver: Any, *args: Any, **kwargs: Any) -> None:
    """In a child: send the arguments back."""
    receiver.send((args, kwargs))


@pytest.mark.parametrize(
    ("target", "args", "code"),
    [
        (do_nothing, (), 0),
        (say_exit, (None,), 0),
        (say_exit, (7,), 7),
        (say_exit, ("words",), 1),
        (leave_at_once, (9,), 9),
        (fail, (), 1),
        (signal_self, (int(signal.SIGTERM),), -int(signal.SIGTERM)),
        (signal_self, (int(signal.SIGKILL),), -int(signal.SIGKILL)),
    ],
)
def test_exit_code_says_how_the_child_ended(
    context: BaseContext, target: Any, args: Any, code: int
) -> None:
    """0 is success, n what was given to exit, 1 an exception, -n a signal."""
    process = run_to_end(context, target, *args)
    assert process.exitcode == code
    assert not process.is_alive()
    process.close()


def test_exit_with_words_prints_them(run_script: RunScript) -> None:
    """``sys.exit("text")`` in a child prints the text on stderr, as in any program."""
    outcome = run_script(
        """
        import sys
        import procession

        if __name__ == "__main__":
            for method in procession.get_all_start_methods():
                process = procession.get_context(method).Process(target=sys.exit, args=("words",))
                process.start()
                process.join()
        """
    )
    assert outcome.stderr.split() == ["words"] * len(procession.get_all_start_methods())


def test_unhandled_exception_is_printed_once(run_script: RunScript) -> None:
    """The child's traceback stands on stderr under the name of the process."""
    outcome = run_script(
        """
        import procession

        def fail():
            raise KeyError("no such thing")

        if __name__ == "__main__":
            for method in procession.get_all_start_methods():
                process = procession.get_context(method).Process(target=fail, name="bob")
                process.start()
                process.join()
        """
    )
    assert outcome.stderr.count("Process bob:") == len(procession.get_all_start_methods())
    assert outcome.stderr.count("KeyError: 'no such thing'") == outcome.stderr.count("Process bob:")


def test_parent_can_have_the_exception(context: BaseContext) -> None:
    """The exception itself arrives, with the child's traceback as its cause."""
    process = run_to_end(context, fail)
    error = process.exception
    assert isinstance(error, KeyError)
    assert error.args == ("no such thing",)
    assert 'raise KeyError("no such thing")' in str(error.__cause__)
    assert process.exception is error
    process.close()


@pytest.mark.parametrize(
    ("target", "kind", "text"),
    [
        (fail_awkwardly, "AwkwardError", "this and that"),
        (fail_locally, "LocalError", "of a local class"),
    ],
)
def test_exception_that_does_not_pickle_is_described(
    context: BaseContext, target: Any, kind: str, text: str
) -> None:
    """Where the exception cannot be had, its type's name, text and traceback can."""
    process = run_to_end(context, target)
    error = process.exception
    assert type(error).__name__ == "RemoteError"
    assert error.type_name.endswith(kind)
    assert error.text == text
    assert "Traceback" in error.remote_traceback
    process.close()


@pytest.mark.parametrize("code", [0, 3])
def test_no_exception_after_an_exit(context: BaseContext, code: int) -> None:
    """``sys.exit`` is not a failure to report, whatever its code."""
    process = run_to_end(context, say_exit, code)
    assert process.exception is None
    process.close()


def test_no_exception_before_the_end(context: BaseContext) -> None:
    """A process that was not started, or runs, or was killed, has none."""
    assert context.Process().exception is None
    process = waiting_child(context)
    assert process.exception is None
    process.kill()
    process.join(GUARD)
    assert process.exception is None
    process.close()


def test_subclass_may_have_its_own_exception_attribute(context: BaseContext) -> None:
    """Programs that assign ``self.exception`` in their subclass go on working."""
    process = OwnException(context)
    process.start()
    process.join(GUARD)
    assert process.exception == "mine"
    process.close()


def OwnException(context: BaseContext) -> Any:  # noqa: N802
    """Return a process of a subclass that uses the name for itself."""
    kind = {"fork": OwnForked, "spawn": OwnSpawned, "forkserver": OwnServed}
    return kind[context.get_start_method()]()


class _Own:
    def __init__(self) -> None:
        super().__init__()
        self.exception = "mine"

    def run(self) -> None:
        assert self.exception == "mine"


class OwnForked(_Own, procession.get_context("fork").Process):  # type: ignore[misc]
    pass


class OwnSpawned(_Own, procession.get_context("spawn").Process):  # type: ignore[misc]
    pass


class OwnServed(_Own, procession.get_context("forkserver").Process):  # type: ignore[misc]
    pass


@PICKLING_METHODS
def test_unpicklable_target_raises_in_the_caller(method: str) -> None:
    """What cannot travel is refused by ``start``, and the program goes on."""
    process = procession.get_context(method).Process(target=print, args=((n for n in ()),))
    with pytest.raises(TypeError, match="generator"):
        process.start()
    assert procession.active_children() == []


class ComesApart:
    """Pickles; raises when it is unpickled."""

    def __reduce__(self) -> Any:
        return raise_on_arrival, ()


def raise_on_arrival() -> None:
    """In a child: fail while the process object is unpickled."""
    raise LookupError("cannot be put together here")


@PICKLING_METHODS
def test_failed_arrival_is_reported(method: str) -> None:
    """An argument that does not unpickle in the child ends it, and the parent learns why."""
    process = run_to_end(procession.get_context(method), do_nothing_with, ComesApart())
    assert process.exitcode == 1
    assert isinstance(process.exception, LookupError)
    process.close()


def do_nothing_with(_what: Any) -> None:
    """In a child: end well."""


def test_subclass_overrides_run(context: BaseContext) -> None:
    """A subclass says what to do in ``run``; its attributes arrive with it."""
    kinds = {"fork": ForkedAdder, "spawn": SpawnedAdder, "forkserver": ServedAdder}
    ours, childs = multiprocessing.Pipe(duplex=False)
    with ours, childs:
        process = kinds[context.get_start_method()](childs, 1, 2)
        process.start()
        assert ours.recv() == 3
        process.join(GUARD)
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
        process.join(GUARD)
    process.close()
    plain = vars(multiprocessing.get_context(context.get_start_method()).Process())
    assert set(seen) == set(plain)


def send_attributes(receiver: Any) -> None:
    """In a child: send the names of the attributes of its Process."""
    receiver.send(list(vars(procession.current_process())))


def test_join_with_a_time_out_returns_in_time(context: BaseContext) -> None:
    """``join(timeout)`` returns None with the child still running."""
    process = waiting_child(context)
    for timeout in (0, 0.05, -1):
        process.join(timeout)
        assert process.exitcode is None
    assert process.is_alive()
    process.terminate()
    process.join()
    assert process.exitcode == -signal.SIGTERM
    process.join()
    process.close()


@pytest.mark.parametrize(
    ("method", "number"), [("terminate", signal.SIGTERM), ("kill", signal.SIGKILL)]
)
def test_child_can_be_ended(context: BaseContext, method: str, number: int) -> None:
    """``terminate`` sends SIGTERM, ``kill`` SIGKILL; both do nothing after the end."""
    process = waiting_child(context)
    getattr(process, method)()
    process.join(GUARD)
    assert process.exitcode == -number
    getattr(process, method)()
    process.close()


def test_interrupt_raises_keyboard_interrupt_in_the_child(context: BaseContext) -> None:
    """``interrupt`` is the Ctrl-C of one child, on every version of Python."""
    process = waiting_child(context)
    process.interrupt()
    process.join(GUARD)
    assert process.exitcode == 1
    assert isinstance(process.exception, KeyboardInterrupt)
    process.interrupt()
    process.close()


def test_sentinel_becomes_ready_at_the_end(context: BaseContext) -> None:
    """``connection.wait`` on the sentinel returns when the child has ended, not before."""
    process = waiting_child(context)
    assert connection.wait([process.sentinel], 0) == []
    assert procession.connection.wait([process.sentinel], 0) == []
    process.kill()
    assert connection.wait([process.sentinel], GUARD) == [process.sentinel]
    assert procession.connection.wait([process.sentinel], GUARD) == [process.sentinel]
    process.join(GUARD)
    process.close()


def leave_a_grandchild(receiver: Any) -> None:
    """In a child: fork a process that outlives it, with copies of all descriptors."""
    pid = os.fork()
    if pid == 0:
        time.sleep(GUARD)
        os._exit(0)
    receiver.send(pid)
    os._exit(5)


def test_end_is_seen_although_a_grandchild_has_copies(context: BaseContext) -> None:
    """``join(timeout)`` and the sentinel look at the child, not at what it left running."""
    ours, childs = multiprocessing.Pipe(duplex=False)
    with ours, childs:
        process = context.Process(target=leave_a_grandchild, args=(childs,))
        process.start()
        grandchild = ours.recv()
    try:
        assert connection.wait([process.sentinel], GUARD / 2)
        process.join(GUARD / 2)
        assert process.exitcode == 5
    finally:
        os.kill(grandchild, signal.SIGKILL)
    process.close()


def test_closed_process_says_so(context: BaseContext) -> None:
    """After ``close`` everything but the name raises ValueError."""
    process = run_to_end(context, do_nothing)
    process.close()
    for attribute in ("exitcode", "sentinel", "pid", "ident", "exception"):
        with pytest.raises(ValueError, match="closed"):
            getattr(process, attribute)
    for method in ("start", "join", "is_alive", "terminate", "kill", "interrupt"):
        with pytest.raises(ValueError, match="closed"):
            getattr(process, method)()
    process.close()
    assert "closed" in repr(process)


def test_running_process_is_not_closed(context: BaseContext) -> None:
    """``close`` of a running process raises ValueError and changes nothing."""
    process = waiting_child(context)
    with pytest.raises(ValueError, match="running"):
        process.close()
    process.kill()
    process.join(GUARD)
    process.close()


def test_process_starts_once(context: BaseContext) -> None:
    """A second ``start`` raises AssertionError."""
    process = run_to_end(context, do_nothing)
    with pytest.raises(AssertionError, match="twice"):
        process.start()
    process.close()


def test_process_that_was_not_started_says_so(context: BaseContext) -> None:
    """Each call that needs a child says that there is none."""
    process = context.Process(target=do_nothing)
    with pytest.raises(AssertionError, match="start"):
        process.join()
    for method in ("terminate", "kill", "interrupt"):
        with pytest.raises(AttributeError, match="not started"):
            getattr(process, method)()
    with pytest.raises(ValueError, match="not started"):
        _ = process.sentinel
    assert process.pid is None
    assert process.exitcode is None
    assert not process.is_alive()
    assert "initial" in repr(process)


def touch_foreign(process: Any, receiver: Any) -> None:
    """In a forked child: use a Process object of the parent."""
    for method in ("start", "join", "is_alive"):
        with pytest.raises(AssertionError) as refusal:
            getattr(process, method)()
        receiver.send(str(refusal.value))
    receiver.send(str(process.exitcode))


def test_process_of_another_process_is_refused() -> None:
    """A fork's copy of a Process object can be neither started nor joined nor tested."""
    context = procession.get_context("fork")
    running = waiting_child(context)
    ours, childs = multiprocessing.Pipe(duplex=False)
    with ours, childs:
        toucher = context.Process(target=touch_foreign, args=(running, childs))
        toucher.start()
        assert "start a process twice" in ours.recv()
        assert f"pid {os.getpid()}" in ours.recv()
        assert f"pid {os.getpid()}" in ours.recv()
        assert ours.recv() == "None"
        toucher.join(GUARD)
    running.kill()
    running.join(GUARD)
    running.close()
    toucher.close()


def test_daemon_flag(context: BaseContext) -> None:
    """``daemon`` may be given or set before the start, not after it, and the child sees it."""
    assert heard(context, "daemon") == [False]
    assert heard(context, "daemon", daemon=True) == [True]
    process = waiting_child(context, daemon=True)
    with pytest.raises(AssertionError, match="already started"):
        process.daemon = False
    process.kill()
    process.join(GUARD)
    process.close()


def start_a_child(context: BaseContext, receiver: Any) -> None:
    """In a daemonic child: try to start a process."""
    try:
        run_to_end(context, do_nothing)
    except AssertionError as error:
        receiver.send(str(error))
    else:
        receiver.send("started")


def test_daemonic_process_may_not_have_children(context: BaseContext) -> None:
    """A daemonic process that starts one gets an AssertionError."""
    ours, childs = multiprocessing.Pipe(duplex=False)
    method = context.get_start_method()
    with ours, childs:
        process = context.Process(target=start_a_child_by, args=(method, childs), daemon=True)
        process.start()
        assert "daemonic processes are not allowed to have children" in ours.recv()
        process.join(GUARD)
    process.close()


def start_a_child_by(method: str, receiver: Any) -> None:
    """In a child: try to start a process of the same kind."""
    start_a_child(procession.get_context(method), receiver)


def test_daemonic_process_that_is_allowed_children_has_them(context: BaseContext) -> None:
    """Workers of pools stay daemonic for everybody who asks, and may start processes."""
    ours, childs = multiprocessing.Pipe(duplex=False)
    method = context.get_start_method()
    with ours, childs:
        process = context.Process(target=start_and_tell, args=(method, childs), daemon=True)
        process.may_have_children = True
        process.start()
        assert ours.recv() == "started"
        assert ours.recv() is True
        process.join(GUARD)
        assert process.exitcode == 0
    process.close()


def start_and_tell(method: str, receiver: Any) -> None:
    """In a child: start a process, then tell whether we are daemonic."""
    start_a_child_by(method, receiver)
    receiver.send(procession.current_process().daemon)


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
        process.join(GUARD)
        assert pids[-1] == process.pid
        assert len(set(pids)) == 3
    process.close()


def test_active_children_are_those_that_run(context: BaseContext) -> None:
    """Our children are in the standard library's registry, as long as they run."""
    process = waiting_child(context)
    assert procession.active_children() == multiprocessing.active_children() == [process]
    process.kill()
    process.join(GUARD)
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
    process.join(GUARD)
    assert "exitcode=-SIGKILL" in repr(process)
    process.close()


def test_process_starts_in_a_thread(context: BaseContext) -> None:
    """A child started by a thread goes on when the thread ends."""
    started: list[Any] = []
    thread = threading.Thread(target=lambda: started.append(waiting_child(context, daemon=True)))
    thread.start()
    thread.join(GUARD)
    process = started[0]
    process.join(0.2)
    assert process.is_alive()
    process.kill()
    process.join(GUARD)
    assert process.exitcode == -signal.SIGKILL
    process.close()


def test_threads_may_wait_for_one_child_together(context: BaseContext) -> None:
    """Each of them returns when it ends, and sees the exit code."""
    process = waiting_child(context)
    seen: list[int | None] = []

    def wait() -> None:
        process.join(GUARD)
        seen.append(process.exitcode)

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    process.kill()
    for thread in threads:
        thread.join(GUARD)
    assert seen == [-signal.SIGKILL] * 8
    process.close()


def test_child_whose_status_was_taken_has_ended(run_script: RunScript) -> None:
    """A program that collects its children itself gets a known end, not a wait for ever."""
    outcome = run_script(
        """
        import os, signal
        import procession

        if __name__ == "__main__":
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            for method in ["fork"] * 20 + ["spawn"]:
                process = procession.get_context(method).Process(target=os.getpid)
                process.start()
                process.join()
                print(process.is_alive(), process.exitcode)
        """
    )
    assert outcome.stdout.split() == ["False", "255"] * 21


def test_many_children_in_a_row_leave_no_descriptor(context: BaseContext) -> None:
    """A hundred children, closed or dropped, leave the table of descriptors as it was."""
    rounds = 100 if context.get_start_method() == "fork" else 6
    run_to_end(context, do_nothing).close()
    before = len(os.listdir("/proc/self/fd"))
    for number in range(rounds):
        process = run_to_end(context, fail_quietly)
        assert process.exitcode == 1
        if number % 2:
            process.close()
    del process
    assert len(os.listdir("/proc/self/fd")) == before


def fail_quietly() -> None:
    """In a child: fail without a page of text."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    raise ValueError


@pytest.mark.parametrize("free", [0, 1, 3, 7])
def test_start_without_descriptors_raises_and_leaves_nothing(
    context: BaseContext, free: int
) -> None:
    """With too few descriptors left ``start`` raises OSError; later the same object starts."""
    if context.get_start_method() == "fork" and free > 2:
        pytest.skip("a fork takes three descriptors while it starts, where the system has pidfds")
    run_to_end(context, do_nothing).close()
    process = context.Process(target=do_nothing)
    before = sorted(os.listdir("/proc/self/fd"))
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    hog = [os.open(os.devnull, os.O_RDONLY) for _ in range(free)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(hog, default=lowest_free()), old[1]))
    for fd in hog:
        os.close(fd)
    try:
        with pytest.raises(OSError, match="Too many open files"):
            process.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, old)
    assert sorted(os.listdir("/proc/self/fd")) == before
    process.start()
    process.join(GUARD)
    assert process.exitcode == 0
    process.close()


def lowest_free() -> int:
    """Return the number that the next descriptor will get."""
    fd = os.open(os.devnull, os.O_RDONLY)
    os.close(fd)
    return fd


def count_descriptors(receiver: Any) -> None:
    """In a child: send how many descriptors it has."""
    receiver.send(len(os.listdir("/proc/self/fd")))


def test_children_do_not_collect_descriptors_of_their_siblings() -> None:
    """The tenth child of a fork has not more descriptors of ours than its sentinel costs."""
    context = procession.get_context("fork")
    ours, childs = multiprocessing.Pipe(duplex=False)
    running = []
    with ours, childs:
        counts = []
        for _ in range(5):
            process = context.Process(target=count_descriptors, args=(childs,))
            process.start()
            counts.append(ours.recv())
            running.append(process)
        for process in running:
            process.join(GUARD)
            process.close()
    # For each sibling: its sentinel, the launcher's pipe end, and the report.
    assert counts[-1] - counts[0] <= 3 * (len(counts) - 1)


def test_group_must_be_none(context: BaseContext) -> None:
    """The argument exists for the sake of ``threading.Thread``'s signature only."""
    with pytest.raises(AssertionError, match="group"):
        context.Process(group=1)


def test_name_must_be_text(context: BaseContext) -> None:
    """A name that is no text is refused."""
    process = context.Process()
    with pytest.raises(AssertionError, match="name must be a string"):
        process.name = 7


def test_rules_hold_without_asserts(run_script: RunScript) -> None:
    """Under ``python -O`` a second start is refused all the same."""
    outcome = run_script(
        """
        import os, subprocess, sys
        program = '''
        import procession
        process = procession.get_context("fork").Process()
        process.start()
        process.join()
        try:
            process.start()
        except AssertionError as error:
            print("refused")
        '''
        import textwrap
        sys.exit(subprocess.call([sys.executable, "-O", "-c", textwrap.dedent(program)]))
        """
    )
    assert outcome.stdout.strip() == "refused"
