"""The file of a big function: used again for the same bytes, and not kept by forked children."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from procession._engine.ipc import transport
from procession._engine.pool.memory_file import FileShelf, MemoryFile, map_privately

pytestmark = pytest.mark.skipif(transport.NAME != "native", reason="nothing is compared there")


def parts(*texts: bytes) -> list[memoryview]:
    return [memoryview(text) for text in texts]


class TestFileShelf:
    """What is kept, and for how long."""

    def test_the_same_bytes_are_written_once(self) -> None:
        """However often they are sent in a row."""
        shelf = FileShelf()
        file = shelf.file(parts(b"pickle", bytes(1_000_000)))

        assert shelf.file(parts(b"pickle", bytes(1_000_000))) is file
        assert [bytes(part) for part in map_privately(file.path, file.places)] == [
            b"pickle",
            bytes(1_000_000),
        ]

    @pytest.mark.parametrize(
        "other", [(b"pickle", b"abd"), (b"picklf", b"abc"), (b"pickle",), (b"pickle", b"abcd")]
    )
    def test_what_differs_gets_a_file_of_its_own(self, other: tuple[bytes, ...]) -> None:
        """The first stays as it is for those who use it."""
        shelf = FileShelf()
        file = shelf.file(parts(b"pickle", b"abc"))

        assert shelf.file(parts(*other)) is not file
        assert [bytes(part) for part in map_privately(file.path, file.places)] == [
            b"pickle",
            b"abc",
        ]

    def test_a_cleared_shelf_keeps_nothing(self) -> None:
        """The descriptor is closed when the last call has let go of it."""
        shelf = FileShelf()
        path = shelf.file(parts(b"abc")).path
        assert os.path.exists(path)
        shelf.clear()
        assert not os.path.exists(path)

    def test_a_forked_child_keeps_nothing(self) -> None:
        """Its copy of the descriptor would hold the memory for as long as it lives."""
        shelf = FileShelf()
        fd = int(shelf.file(parts(b"abc")).path.rpartition("/")[2])
        pid = os.fork()
        if pid == 0:
            try:
                os.fstat(fd)
            except OSError:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert os.fstat(fd).st_size > 0


def test_a_file_that_cannot_be_read_holds_nothing() -> None:
    """It is written anew."""
    with closing(MemoryFile(parts(b"abc"))) as file:
        assert file.holds(parts(b"abc"))
    assert not file.holds(parts(b"abc"))
