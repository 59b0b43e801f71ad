"""The child that the fork server keeps parked: as right as one that is forked at the moment."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import pytest

import procession
from tests.conftest import RunScript
from tests.leaks import is_spare
from tests.processes import family
from tests.waiting import HANG_GUARD_SECONDS, wait_until

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the standard library's own server is used"
)


def _nothing() -> None:
    pass


def _send(connection: Any) -> None:
    umask = os.umask(0)
    connection.send((os.getpid(), os.environ.get("OF_THE_MOMENT"), os.getcwd(), umask))


@pytest.fixture
def context() -> Any:
    """The context of the fork server, which has started a child before."""
    context = procession.get_context("forkserver")
    first = context.Process(target=_nothing)
    first.start()
    first.join(HANG_GUARD_SECONDS)
    first.close()
    return context


def _spare() -> int:
    """Wait for the spare; return its pid."""
    deadline = time.monotonic() + HANG_GUARD_SECONDS
    while time.monotonic() < deadline:
        found = [process.pid for process in family().values() if is_spare(process)]
        if len(found) == 1:
            return found[0]
        time.sleep(0.005)
    raise AssertionError("no spare was parked")


def _is_gone(pid: int) -> bool:
    return not any(each.pid == pid and not each.has_ended() for each in family().values())


def _sent(context: Any) -> tuple[Any, ...]:
    ours, childs = procession.Pipe()
    with ours:
        process = context.Process(target=_send, args=(childs,))
        process.start()
        childs.close()
        found: tuple[Any, ...] = ours.recv()
        assert found[0] == process.pid
        process.join(HANG_GUARD_SECONDS)
        assert process.exitcode == 0
        process.close()
    return found


def test_a_start_takes_the_spare_and_another_is_parked(context: Any) -> None:
    """The pid of the next child is known before it is started."""
    spare = _spare()
    assert _sent(context)[0] == spare
    assert _spare() != spare


def test_a_spare_has_what_its_parent_has_at_the_start(
    context: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what there was when it was parked."""
    spare = _spare()
    monkeypatch.setenv("OF_THE_MOMENT", "now")
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o027)
    try:
        assert _sent(context) == (spare, "now", str(tmp_path), 0o027)
    finally:
        os.umask(before)


def test_a_killed_spare_is_no_loss(context: Any) -> None:
    """Whoever kills it, the next start takes another child."""
    for _ in range(5):
        spare = _spare()
        os.kill(spare, signal.SIGKILL)
        wait_until(lambda spare=spare: _is_gone(spare))
        assert _sent(context)[0] != spare


def test_a_spare_that_is_killed_as_it_is_taken_is_a_killed_child(context: Any) -> None:
    """A start meets it alive, dying or dead; the exit code is that of the child with its pid."""
    for _ in range(20):
        spare = _spare()
        os.kill(spare, signal.SIGKILL)
        process = context.Process(target=_nothing)
        process.start()
        process.join(HANG_GUARD_SECONDS)
        assert process.exitcode == (-signal.SIGKILL if process.pid == spare else 0)
        process.close()


def test_a_ctrl_c_of_before_does_not_reach_a_later_child(context: Any) -> None:
    """The terminal sends it to the server and its spare as well; neither hands it on."""
    from procession._engine.process.warm_client import SERVER

    spare = _spare()
    assert SERVER.pid is not None
    for pid in (SERVER.pid, spare):
        os.kill(pid, signal.SIGINT)
    assert _sent(context)[0] != spare


def _count(connection: Any) -> None:
    connection.send((os.getpid(), sorted(os.listdir("/proc/self/fd"))))


def test_spares_and_others_have_the_same_descriptors(context: Any) -> None:
    """No child has more than it was given, whichever way it came to be."""
    counts = []
    for kill in (False, True, False):
        spare = _spare()
        if kill:
            os.kill(spare, signal.SIGKILL)
            wait_until(lambda spare=spare: _is_gone(spare))
        ours, childs = procession.Pipe()
        with ours, childs:
            process = context.Process(target=_count, args=(childs,))
            process.start()
            pid, descriptors = ours.recv()
            assert (pid == spare) is not kill
            counts.append(len(descriptors))
            process.join(HANG_GUARD_SECONDS)
            process.close()
    assert len(set(counts)) == 1


def test_a_spare_ends_with_its_server(context: Any) -> None:
    """However the server goes; and no start is lost to that."""
    from procession._engine.process.warm_client import SERVER

    spare = _spare()
    assert SERVER.pid is not None
    os.kill(SERVER.pid, signal.SIGKILL)
    assert _sent(context)[0] != spare
    wait_until(lambda: _is_gone(spare))


def test_children_of_spares_draw_different_numbers(run_script: RunScript) -> None:
    """Each is a fork of its own, with a seed of its own."""
    outcome = run_script(
        """
        import random
        import procession

        def draw():
            print(random.random())

        if __name__ == "__main__":
            for _ in range(6):
                child = procession.get_context("forkserver").Process(target=draw)
                child.start()
                child.join()
        """
    )
    drawn = outcome.stdout.split()
    assert len(set(drawn)) == 6


@pytest.mark.parametrize(
    "moment", ["before it hands over", "after it handed over", "after it told"]
)
def test_a_server_that_dies_in_a_start_loses_none(run_script: RunScript, moment: str) -> None:
    """The parent asks the next server, or has its child: once, and without waiting for ever."""
    outcome = run_script(
        """
        import os
        import signal
        import sys
        import time
        from multiprocessing import current_process, parent_process

        import procession

        MOMENT, MARK = sys.argv[1:]

        def die():
            # In the first server only.
            try:
                os.close(os.open(MARK, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            os.kill(os.getpid(), signal.SIGKILL)

        if current_process().name == "ForkServer":
            from procession._engine.process import warm_wire

            starts, send, tell = [], warm_wire.send, warm_wire.tell

            def sending(channel, request):
                starts.append(request)
                if len(starts) == 2 and MOMENT == "before it hands over":
                    die()
                send(channel, request)

            def telling(fd, number):
                if len(starts) == 2 and MOMENT == "after it handed over":
                    die()
                tell(fd, number)
                if len(starts) == 2 and MOMENT == "after it told" and number > 0:
                    die()

            warm_wire.send, warm_wire.tell = sending, telling

        def work(number):
            print("work", number)

        if __name__ == "__main__":
            for number in range(4):
                child = procession.get_context("forkserver").Process(target=work, args=(number,))
                child.start()
                child.join()
            print(os.path.exists(MARK))
        """,
        moment,
        "mark",
    )
    assert outcome.stdout.splitlines() == [*(f"work {number}" for number in range(4)), "True"]
