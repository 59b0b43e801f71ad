"""What tasks get is what was given: inputs that change, and what many tasks share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from procession._engine.ipc import transport
from tests.contracts import pool_tasks as tasks

COUNT = 300


def _same_list() -> Iterator[list[int]]:
    item = [0]
    for number in range(COUNT):
        item[0] = number
        yield item


def _same_dict_in_a_tuple() -> Iterator[tuple[str, dict[str, int]]]:
    item = {"number": 0}
    for number in range(COUNT):
        item["number"] = number
        yield "name", item


def _same_array() -> Iterator[Any]:
    numpy = pytest.importorskip("numpy")
    item = numpy.zeros(3)
    for number in range(COUNT):
        item[:] = number
        yield item


def _views_of_one_array() -> Iterator[Any]:
    for item in _same_array():
        yield item[1:]


class SameBytearray:
    """Knows how long it is, as a loader of batches does, and gives one object again and again."""

    def __len__(self) -> int:
        return COUNT

    def __iter__(self) -> Iterator[bytearray]:
        item = bytearray(4)
        for number in range(COUNT):
            item[:] = number.to_bytes(4, "big")
            yield item


INPUTS: dict[str, tuple[Callable[[], Any], Callable[[int], Any]]] = {
    "list": (_same_list, lambda number: [number]),
    "dict": (_same_dict_in_a_tuple, lambda number: ("name", {"number": number})),
    "array": (_same_array, lambda number: [number] * 3),
    "views": (_views_of_one_array, lambda number: [number] * 2),
    "sized": (SameBytearray, lambda number: bytearray(number.to_bytes(4, "big"))),
}


@pytest.mark.parametrize("chunksize", [1, 7])
@pytest.mark.parametrize("name", INPUTS)
def test_an_input_may_give_one_object_again_and_again(
    any_context: BaseContext, name: str, chunksize: int
) -> None:
    """Each task gets it as it was when it was given, however many go in one message."""
    make, expected = INPUTS[name]
    with any_context.Pool(2) as pool:
        results = list(pool.imap(tasks.identity, make(), chunksize))
    values = [result.tolist() if hasattr(result, "tolist") else result for result in results]
    assert values == [expected(number) for number in range(COUNT)]


def test_an_item_that_cannot_be_pickled_fails_alone(any_context: BaseContext) -> None:
    """Also where it had to be kept before the next was read."""
    bad = [(letter for letter in "abc")]  # a generator is pickled by nobody

    def items() -> Iterator[Any]:
        yield [1]
        yield bad
        yield [2]

    with any_context.Pool(2) as pool:
        results = pool.imap(tasks.identity, items())
        assert next(results) == [1]
        with pytest.raises(TypeError, match="generator"):
            next(results)
        assert list(results) == [[2]]


needs_files = pytest.mark.skipif(
    transport.NAME != "native", reason="the portable transport sends arrays by value"
)


class TestSharedArrays:
    """Big arrays that several tasks have in common, with other arguments besides."""

    SIZE = 1 << 18

    @needs_files
    def test_tasks_of_a_call_have_it_once(self, any_context: BaseContext) -> None:
        """They are told of the same file, once there are several of them."""
        numpy = pytest.importorskip("numpy")
        array = numpy.arange(float(self.SIZE))
        with any_context.Pool(2) as pool:
            pairs = [(array, number) for number in range(12)]
            found = pool.starmap(tasks.file_of_array, pairs, chunksize=1)
        assert [value for value, _ in found] == [float(number) for number in range(12)]
        files = [inode for _, inode in found if inode]
        assert len(files) >= 8
        assert len(files) > len(set(files)) > 0

    def test_who_writes_to_it_changes_nothing_for_others(self, any_context: BaseContext) -> None:
        """Neither for other tasks nor for the caller."""
        numpy = pytest.importorskip("numpy")
        array = numpy.zeros(self.SIZE)
        with any_context.Pool(2) as pool:
            pairs = [(array, number) for number in range(1, 13)]
            assert pool.starmap(tasks.add_to_array, pairs, chunksize=1) == list(range(1, 13))
        assert not array.any()

    @pytest.mark.parametrize("size", [1 << 18, 9 << 20])
    def test_calls_see_what_was_written_between_them(
        self, any_context: BaseContext, size: int
    ) -> None:
        """Each call has the array as it was when it was made."""
        numpy = pytest.importorskip("numpy")
        array = numpy.zeros(size)
        results = []
        with any_context.Pool(2) as pool:
            for number in range(9):
                if number % 3 == 0:
                    array[-1] = number
                results.append(pool.apply_async(tasks.last_of_array, (array,)))
            assert [result.get() for result in results] == [0, 0, 0, 3, 3, 3, 6, 6, 6]

    @needs_files
    def test_nothing_stays_when_the_call_has_ended(self, any_context: BaseContext) -> None:
        """No descriptor, and so no memory."""
        numpy = pytest.importorskip("numpy")
        array = numpy.arange(float(self.SIZE))
        with any_context.Pool(2) as pool:
            pool.map(tasks.identity, range(4))
            before = tasks.shared_files()
            for _ in range(3):
                pool.starmap(tasks.file_of_array, [(array, place) for place in range(12)], 1)
            assert tasks.shared_files() == before
