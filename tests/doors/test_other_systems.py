"""Everything imports where Linux's own is missing: forced here, in an interpreter of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs import run_program

PROGRAM = """
import fcntl, importlib, os, pkgutil, select, signal, socket, subprocess, sys, types
import asyncio, concurrent.futures.process, multiprocessing.connection, multiprocessing.managers
import multiprocessing.pool, multiprocessing.popen_fork, multiprocessing.sharedctypes, tempfile

GONE = {
    fcntl: "F_SETSIG F_ADD_SEALS F_GET_SEALS F_SETPIPE_SZ F_OFD_SETLK F_OFD_SETLKW F_OFD_GETLK",
    os: "memfd_create pidfd_open eventfd eventfd_read eventfd_write sched_getaffinity splice pipe2"
        " P_PIDFD posix_fallocate",
    select: "epoll",
    signal: "pidfd_send_signal sigtimedwait SIGRTMIN SIGRTMAX",
    socket: "SOCK_CLOEXEC SOCK_SEQPACKET",
}
GONE_ON_WINDOWS = {
    os: "fork register_at_fork pread pwrite getpgid killpg sched_yield",
    select: "poll",
    signal: "SIGKILL SIGUSR1 SIGALRM pthread_sigmask setitimer",
}
# Passed through from modules of the standard library that were made for another system.
NOT_HERE = ("__main__", "_native", "joblib", "joblib_backend", "popen_spawn_win32")
if sys.argv[1] == "win32":
    NOT_HERE += ("resource_sharer",)
NATIVE = (
    "native",
    "native_connection",
    "native_handover",
    "native_locks",
    "native_queue",
    "native_waiting",
)

def take_away(gone):
    for module, names in gone.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)

sys.platform = sys.argv[1]
sys.modules["procession._native"] = None
take_away(GONE)
if sys.platform == "win32":
    take_away(GONE_ON_WINDOWS)
    sys.modules["fcntl"] = sys.modules["resource"] = None
    sys.modules["msvcrt"], sys.modules["_winapi"] = map(types.ModuleType, ("msvcrt", "_winapi"))
    subprocess.STARTUPINFO = subprocess.STARTF_FORCEOFFFEEDBACK = None

import procession

for module in pkgutil.walk_packages(procession.__path__, "procession."):
    last = module.name.rpartition(".")[2]
    if last not in NOT_HERE + NATIVE and ".programs." not in module.name:
        importlib.import_module(module.name)

from procession._engine.ipc import transport
print(transport.NAME)
"""


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_every_module_imports_without_what_is_of_linux_alone(system: str, tmp_path: Path) -> None:
    """And the transport is the portable one, without being asked for."""
    outcome = run_program(["-c", PROGRAM, system], cwd=tmp_path, env={"PROCESSION_TRANSPORT": ""})

    assert outcome.stdout == "portable\n"
