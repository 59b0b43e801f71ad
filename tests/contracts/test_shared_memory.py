"""Named blocks of shared memory: the standard library's, but for their memory being there."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import shutil
import subprocess
from multiprocessing import shared_memory as standard
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

import procession
from procession.managers import SharedMemoryManager
from procession.shared_memory import ShareableList, SharedMemory

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

    from tests.conftest import RunScript

SMALL = ("unshare", "--map-root-user", "--mount")
"""Runs a program with mounts of its own, where the system allows that."""

takes_memory = pytest.mark.skipif(
    not hasattr(os, "posix_fallocate"), reason="memory cannot be taken ahead here"
)


def write_to(block: Any, value: int) -> None:
    """Write through a block that was handed over."""
    block.buf[0] = value
    block.close()


def attach_and_write(kind: type[Any], name: str, value: int) -> None:
    """Write to a block that is found by its name."""
    write_to(kind(name=name), value)


def test_is_the_standard_librarys() -> None:
    """Blocks and lists pass for the standard ones, here and pickled."""
    block = SharedMemory(create=True, size=10_000)
    items = ShareableList([1, "two", b"three", None, 4.5])
    try:
        assert isinstance(block, standard.SharedMemory)
        assert isinstance(items, standard.ShareableList)
        for other in (pickle.loads(pickle.dumps(block)), standard.SharedMemory(block.name)):
            assert other.size == block.size
            other.buf[9_999] = 7
            other.close()
        assert block.buf[9_999] == 7
        other_items = pickle.loads(pickle.dumps(items))
        assert list(other_items) == list(items) == [1, "two", b"three", None, 4.5]
        other_items.shm.close()
    finally:
        for made in (block, items.shm):
            made.close()
            made.unlink()


@pytest.mark.parametrize("maker", [SharedMemory, standard.SharedMemory])
@pytest.mark.parametrize("attacher", [SharedMemory, standard.SharedMemory])
@pytest.mark.parametrize("starter", [procession, multiprocessing])
def test_processes_of_both_share_a_block(
    context: BaseContext, maker: type[Any], attacher: type[Any], starter: Any
) -> None:
    """Blocks go by name and by handing over between our processes and the standard library's."""
    start = starter.get_context(context.get_start_method()).Process
    block = maker(create=True, size=1)
    try:
        by_name = start(target=attach_and_write, args=(attacher, block.name, 1))
        handed_over = start(target=write_to, args=(block, 2))
        for process, expected in ((by_name, 1), (handed_over, 2)):
            process.start()
            process.join()
            assert (process.exitcode, block.buf[0]) == (0, expected)
    finally:
        block.close()
        block.unlink()


@takes_memory
def test_memory_that_cannot_be_had_is_an_error() -> None:
    """Where the memory runs out half-way there is no block, nor a name of one."""
    before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    real, taken = os.posix_fallocate, []

    def take(descriptor: int, offset: int, length: int) -> None:
        if offset:
            raise OSError(errno.ENOSPC, "full")
        taken.append(length)
        real(descriptor, offset, length)

    size = 10 << 20
    with SharedMemoryManager() as manager:
        makers = (
            lambda: SharedMemory(create=True, size=size),
            lambda: ShareableList([b"x" * 100_000] * 100),
            lambda: manager.SharedMemory(size),
            lambda: manager.ShareableList([b"x" * 100_000] * 100),
        )
        with mock.patch("os.posix_fallocate", take):
            for make in makers:
                with pytest.raises(OSError, match="bytes of shared memory") as caught:
                    make()
                assert caught.value.errno == errno.ENOSPC
    assert len(taken) == len(makers)
    if before:
        assert set(os.listdir("/dev/shm")) <= before


def test_manager_ends_its_blocks() -> None:
    """A block and a list of a manager are ours, and gone when it is."""
    with SharedMemoryManager() as manager:
        block, items = manager.SharedMemory(10), manager.ShareableList([1, 2])
        assert (type(block), type(items)) == (SharedMemory, ShareableList)
        names = (block.name, items.shm.name)
        for made in (block, items.shm):
            made.close()
    for name in names:
        with pytest.raises(FileNotFoundError):
            SharedMemory(name)


@takes_memory
def test_a_small_file_system_kills_nobody(run_script: RunScript) -> None:
    """With 1 MiB for named blocks, a bigger one is an error, and all else of ours works."""
    if not shutil.which(SMALL[0]) or subprocess.run([*SMALL, "true"], check=False).returncode:
        pytest.skip("mounts cannot be had here")
    outcome = run_script(
        """
        import os, subprocess, sys

        def echo(inbox, outbox):
            outbox.send(inbox.get())

        if __name__ == "__main__":
            if sys.argv[1:]:
                again = [sys.executable, os.path.abspath(__file__)]
                mount = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"'
                sys.exit(subprocess.call([*sys.argv[1:], "sh", "-c", mount, "sh", *again]))

            import procession
            from procession.shared_memory import ShareableList, SharedMemory

            for make in (
                lambda: SharedMemory(create=True, size=2 << 20),
                lambda: ShareableList([b"x" * 100_000] * 20),
            ):
                try:
                    make()
                except OSError as error:
                    print(error.errno, os.listdir("/dev/shm"))
            big = bytes(8 << 20)
            for method in ("fork", "spawn", "forkserver"):
                context = procession.get_context(method)
                queue, (reader, writer) = context.Queue(), context.Pipe(duplex=False)
                process = context.Process(target=echo, args=(queue, writer))
                process.start()
                queue.put(big)
                received = reader.recv()
                process.join()
                with context.Pool(1) as pool:
                    print(received == big, pool.map(len, [big]) == [len(big)])
        """,
        *SMALL,
    )
    refused = f"{errno.ENOSPC} []"
    assert outcome.stdout.splitlines() == [refused] * 2 + ["True True"] * 3
    assert outcome.stderr == ""
