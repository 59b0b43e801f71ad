"""Children that the tests of Process start: told to report, to wait, or to do nothing."""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import Any

import procession
from procession.context import BaseContext
from tests.waiting import HANG_GUARD_SECONDS


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
        process.join(HANG_GUARD_SECONDS)
        assert process.exitcode == 0
    process.close()
    assert isinstance(seen, list)
    return seen


def run_to_end(context: BaseContext, target: Any, *args: Any) -> Any:
    """Run a child until it ends, and return its Process."""
    process = context.Process(target=target, args=args)
    process.start()
    process.join(HANG_GUARD_SECONDS)
    return process


def wait_for_end(ready: Any = None) -> None:
    """In a child: say that it runs, then wait to be ended."""
    if ready is not None:
        ready.send("ready")
    time.sleep(HANG_GUARD_SECONDS)


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
