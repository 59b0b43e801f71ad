"""What every forked child does first, done once by its parent, on objects of its own.

A child begins with what no parent ever does: it renews the locks of ``threading``, opens another
standard input, becomes a process.  Where the interpreter finds an attribute it writes down in
which class, for the next time: in one table for all classes, at places all over its 96 KiB.  Each
child did so anew, in pages that are copied first, and in those of the names, of the names that had
the place before, and of the classes: some fifty of the pages that a child copied.  The children
of a parent that has looked find it written there.

Nothing depends on it.  What another version of Python does otherwise, its children find themselves.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from multiprocessing import process
from types import ModuleType
from weakref import WeakSet, WeakValueDictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from procession._engine.process.reporting import Report

__all__ = ["REHEARSED", "rehearse"]

REHEARSED: set[type[process.BaseProcess]] = set()
"""The classes of processes for which it has been done."""

_OF_MODULES = """_HAVE_THREAD_NATIVE_ID _after_fork _close_stdin _exit _exit_function
 _finalizer_registry _force_start_method _run_after_forkers _shutdown count devnull info main_thread
 open stdin O_RDONLY"""
_OF_THE_MAIN_THREAD = """_after_fork _daemonic _handle _ident _initialized _is_stopped _native_id
 _os_thread_handle _reset_internal_locks _set_native_id _started _stop _tstate_lock daemon ident"""
_OF_PROCESSES = "_after_fork _bootstrap _parent_name _parent_pid _start_method run"
_OF_REPORTS = "_run_and_report watch"


def rehearse(beginner: process.BaseProcess, report: Report) -> None:
    """Do it for processes of the beginner's class, which is about to start."""
    try:
        if not REHEARSED:
            _look_up(ModuleType(""), _OF_MODULES)
            _look_up(threading.main_thread(), _OF_THE_MAIN_THREAD)
            _look_up(report, _OF_REPORTS)
            _do_as_children_do()
        _look_up(beginner, _OF_PROCESSES)
    except Exception:  # noqa: BLE001, S110  # private names of another Python; no descriptor left
        pass
    REHEARSED.add(type(beginner))


def _look_up(instance: object, names: str) -> None:
    for name in names.split():
        getattr(instance, sys.intern(name), None)


def _do_as_children_do() -> None:
    """``threading._after_fork``, ``util._close_stdin`` and so on, as far as they leave nothing."""
    beginner: Any = threading.Thread(name="rehearsal", daemon=False)  # unnamed, it would count
    others = set(WeakSet([beginner]))
    others.update(WeakSet())
    others.difference_update(others)
    others.clear()
    threading.Event()._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001
    threading.RLock()
    threading.Lock().locked()
    deque[int]().clear()
    dict(WeakValueDictionary()).clear()
    process._ParentProcess("", 0, 0)  # type: ignore[attr-defined]  # noqa: SLF001
    with open(os.devnull, encoding="utf-8"):  # noqa: PTH123  # as there
        pass
    beginner._reset_internal_locks(True)  # noqa: SLF001
