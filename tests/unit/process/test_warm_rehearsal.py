"""A rehearsed start leaves the process as it was, however far it went."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import RunScript

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the standard library's own server is used"
)

PROGRAM = """
import os, signal, socket, sys
from multiprocessing import forkserver, process, resource_tracker, spawn

from procession._engine.process import circumstances, warm_child, warm_rehearsal
from procession._engine.process.warm_client import SERVER

def state():
    umask = os.umask(0)
    os.umask(umask)
    return {
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "files": [os.readlink(f"/proc/self/fd/{fd}") for fd in (0, 1, 2)],
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "umask": umask,
        "environment": dict(os.environ),
        "path": (sys.path, sys.argv, os.getcwd(), process.ORIGINAL_DIR),
        "hook": sys.excepthook,
        "server": SERVER.fileno(),
        "tracker": resource_tracker._resource_tracker._fd,
        "inherited": forkserver._forkserver._inherited_fds,
        "name": process.current_process().name,
        "children": process.active_children(),
    }

if __name__ == "__main__":
    preparation = spawn.get_preparation_data(process.current_process().name)
    preparation["authkey"] = bytes(preparation["authkey"])
    rehearsal = warm_rehearsal.Rehearsal(preparation, circumstances.environment())
    far, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    before = state()
    for _ in range(2):
        pauses = len(list(rehearsal._steps(channel)))  # raises where a step fails
        assert before == state(), state()
    for taken in range(pauses + 1):
        going = rehearsal._steps(channel)
        for _ in range(taken):
            next(going)
        going.close()
        assert before["descriptors"] == state()["descriptors"], taken
    rehearsal.play(channel)
    assert before == state(), state()
    print("as before")
"""


def test_a_rehearsed_start_changes_nothing(run_script: RunScript) -> None:
    """Nor does one that was broken off after any of its steps leave a descriptor open."""
    assert run_script(PROGRAM).stdout.split("\n")[0] == "as before"
