"""What a Process refuses, under every start method: by its state, by its owner, as a daemon."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

import pytest

import procession
from procession.context import BaseContext
from tests.conftest import RunScript
from tests.contracts.process_children import do_nothing, heard, run_to_end, waiting_child
from tests.waiting import HANG_GUARD_SECONDS


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
    process.join(HANG_GUARD_SECONDS)
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
        toucher.join(HANG_GUARD_SECONDS)
    running.kill()
    running.join(HANG_GUARD_SECONDS)
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
    process.join(HANG_GUARD_SECONDS)
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
        process.join(HANG_GUARD_SECONDS)
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
        process.join(HANG_GUARD_SECONDS)
        assert process.exitcode == 0
    process.close()


def start_and_tell(method: str, receiver: Any) -> None:
    """In a child: start a process, then tell whether we are daemonic."""
    start_a_child_by(method, receiver)
    receiver.send(procession.current_process().daemon)


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
