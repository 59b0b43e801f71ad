"""What is done for every message and every result, in both of its forms."""

from __future__ import annotations

import importlib
import sys
from collections import deque
from typing import Any

import pytest

from procession._engine.ipc import portable_queue, transport

FORMS = ["procession._engine.pool.portable_steps"]
if transport.NAME == "native":
    FORMS.append("procession._engine.native")


@pytest.fixture(params=FORMS)
def steps(request: pytest.FixtureRequest) -> Any:
    """The steps in Python, and those in C where they are."""
    return importlib.import_module(request.param)


class TestResultLine:
    """Results until they are taken."""

    def test_ordered_line_holds_back_what_comes_early(self, steps: Any) -> None:
        """Until all before it have come."""
        line = steps.ResultLine(ordered=True)
        for index in (2, 1, 4):
            line.put(index, f"result {index}")
        assert len(line) == 0
        line.put(0, "result 0")

        assert [line.take() for _ in range(len(line))] == ["result 0", "result 1", "result 2"]
        line.put(3, "result 3")
        assert [line.take(), line.take()] == ["result 3", "result 4"]

    def test_ordered_line_takes_each_index_once(self, steps: Any) -> None:
        """A second result is ignored, taken or not."""
        line = steps.ResultLine(ordered=True)
        line.put(0, "first")
        line.put(0, "again")
        assert line.take() == "first"
        line.put(0, "again")
        assert len(line) == 0

    def test_unordered_line_is_first_in_first_out(self, steps: Any) -> None:
        """Whatever the indices."""
        line = steps.ResultLine(ordered=False)
        for index in (5, 1, 3):
            line.put(index, index)
        assert [line.take() for _ in range(3)] == [5, 1, 3]

    def test_empty_line_says_so(self, steps: Any) -> None:
        """By LookupError."""
        with pytest.raises(LookupError):
            steps.ResultLine(ordered=True).take()

    def test_line_counts_what_was_taken_while_it_grows_and_shrinks(self, steps: Any) -> None:
        """Through many wraps of whatever holds the results."""
        line = steps.ResultLine(ordered=True)
        put, taken = 0, []
        for burst in (1, 70, 3, 500, 130, 2):
            for _ in range(burst):
                line.put(put, put)
                put += 1
            taken += [line.take() for _ in range(burst // 2 + 1) if len(line)]
            assert (line.taken, len(line)) == (len(taken), put - len(taken))
        taken += [line.take() for _ in range(len(line))]
        assert taken == list(range(put))

    def test_results_of_consecutive_tasks(self, steps: Any) -> None:
        """Go in together, also before others."""
        line = steps.ResultLine(ordered=True)
        line.put_many(2, ["c", "d"])
        line.put_many(0, ["a", "b"])
        line.put_many(4, [])
        assert [line.take() for _ in range(4)] == ["a", "b", "c", "d"]

    def test_batches_keep_their_order_while_the_line_grows_and_wraps(self, steps: Any) -> None:
        """Those that follow what is in line, and those that come early."""
        line = steps.ResultLine(ordered=True)
        put, taken = 0, []
        for size in (3, 100, 1, 40, 200, 64):
            first, second = put, put + size
            line.put_many(second, list(range(second, second + 2)))
            line.put_many(first, list(range(first, second)))
            put = second + 2
            taken += [line.take() for _ in range(size // 2)]
            assert (line.taken, len(line)) == (len(taken), put - len(taken))
        taken += [line.take() for _ in range(len(line))]
        assert taken == list(range(put))

    def test_batch_is_the_lines_alone_once_taken(self, steps: Any) -> None:
        """Nothing else holds a result that was taken out."""
        line, result = steps.ResultLine(ordered=True), object()
        held = sys.getrefcount(result)
        line.put_many(0, [result, None])
        assert line.take() is result
        assert line.take() is None
        assert sys.getrefcount(result) == held

    def test_closed_line_takes_nothing_in(self, steps: Any) -> None:
        """What is there can be taken."""
        line = steps.ResultLine(ordered=False)
        line.put(0, "before")
        line.close()
        line.put(1, "after")
        line.put_many(2, ["after"])
        assert (len(line), line.take()) == (1, "before")

    def test_order_has_no_default(self, steps: Any) -> None:
        """Nor a place among the arguments."""
        with pytest.raises(TypeError):
            steps.ResultLine(True)


class TestResultIterator:
    """From a line to the loop."""

    def test_next_does_what_is_left_to_do(self, steps: Any) -> None:
        """Room, failures and an empty line are its business, and nothing is lost or doubled."""

        class Results(steps.ResultIterator):  # type: ignore[misc,name-defined]
            def next(self) -> Any:
                if len(line) == 0:
                    raise StopIteration
                value = line.take()
                line.refill_at = line.taken + 3
                return f"next {value}" if isinstance(value, set) else value

        line = steps.ResultLine(ordered=True)
        values = [1, 2, set(), 4, 5, 6, set(), 8, 9]
        line.put_many(0, values)
        results = Results(line, set)

        assert iter(results) is results
        assert list(results) == [1, 2, "next set()", 4, 5, 6, "next set()", 8, 9]
        assert line.taken == 9


class TestRunTasks:
    """The tasks in a thread's hands."""

    def test_values_of_all_items(self, steps: Any) -> None:
        """Or of all their arguments."""
        values: list[Any] = []
        steps.run_tasks(abs, iter([-1, 2]), values, False)
        steps.run_tasks(max, iter([(3, 1), [4, 5]]), values, True)
        assert values == [1, 2, 3, 5]

    @pytest.mark.parametrize("kind", [StopIteration, ValueError, SystemExit])
    def test_exception_leaves_the_rest(self, steps: Any, kind: type[BaseException]) -> None:
        """The very object, StopIteration too; what was done is kept."""
        mistake, items, values = kind("mine"), iter(range(5)), list[Any]()

        def run(number: int) -> int:
            if number == 2:
                raise mistake
            return number

        with pytest.raises(kind, match="mine") as caught:
            steps.run_tasks(run, items, values, False)
        assert caught.value is mistake
        assert (values, list(items)) == ([0, 1], [3, 4])


class TestChunk:
    """Tasks that travel together."""

    def test_results_go_to_their_places_in_a_list(self, steps: Any) -> None:
        """Those of the chunk's tasks, and they are counted."""
        values = [None] * 6
        chunk = steps.Chunk("call", 2, "abc", values)
        chunk.deliver(0, ["A"], 0.5)
        chunk.deliver(1, ["B", "C"], 0.25)

        assert values == [None, None, "A", "B", "C", None]
        assert (chunk.delivered, chunk.size, chunk.ran, chunk.seconds) == (3, 3, 3, 0.75)

    def test_what_was_delivered_is_left_alone(self, steps: Any) -> None:
        """So a message may be taken in twice."""
        line = steps.ResultLine(ordered=False)
        chunk = steps.Chunk("call", 0, "abcd", line)
        chunk.deliver(0, ["A", "B"], 1.0)
        chunk.deliver(0, ["A", "B"], 1.0)
        chunk.deliver(1, ["B", "C"], 1.0)

        assert [line.take() for _ in range(len(line))] == ["A", "B", "C"]
        assert chunk.delivered == 3

    def test_result_without_a_sink_is_the_chunks_own(self, steps: Any) -> None:
        """As for a call of one task."""
        chunk = steps.Chunk("call", 0, ("item",), None)
        chunk.deliver(0, ("result",), 0.0)
        assert (chunk.value, chunk.delivered) == ("result", 1)

    def test_results_for_a_list_that_was_emptied_are_dropped(self, steps: Any) -> None:
        """Its call has ended."""
        values: list[Any] = []
        chunk = steps.Chunk("call", 3, "ab", values)
        chunk.deliver(0, ["A", "B"], 0.0)
        assert (values, chunk.delivered) == ([], 2)

    def test_chunk_keeps_what_it_was_given(self, steps: Any) -> None:
        """And is in no queue yet."""
        chunk = steps.Chunk("call", 7, [1, 2], None, ("death",))
        found = (chunk.call, chunk.first, chunk.items, chunk.attempts, chunk.ticket, chunk.value)
        assert found == ("call", 7, [1, 2], ("death",), -1, None)


@pytest.mark.parametrize(
    "obj",
    [None, True, 7, 10**30, 1.5, "text", "\ud800", b"bytes", [1, "a", None], (1, 2.0), []],
)
def test_built_in_values_are_plain(steps: Any, obj: object) -> None:
    """Alone and in lists and tuples."""
    assert steps.is_plain(obj)


class Number(int):
    """No exact int."""


@pytest.mark.parametrize("obj", [object(), Number(3), [Number(3)], {1, 2}, range(3), print])
def test_everything_else_is_not_plain(steps: Any, obj: object) -> None:
    """Whatever might have a reducer, in lists too."""
    assert not steps.is_plain(obj)


@pytest.mark.skipif(transport.NAME != "native", reason="of the form in C alone")
def test_depth_and_length_of_what_is_plain_are_bounded() -> None:
    """Such objects are pickled."""
    from procession._engine.native import is_plain

    deep: list[Any] = []
    for _ in range(10):
        deep = [deep]
    assert is_plain({"a": [(1, {"b": None})]})
    assert not is_plain(deep)
    assert not is_plain(b"x" * 100_000)
    assert not is_plain({"key": {"deeper": object()}})
    many: list[Any] = [1] * 1000
    for _ in range(3):
        many = [many] * 1000
    assert not is_plain(many)


class TestTakingResults:
    """From the queue to where they belong."""

    @pytest.fixture
    def queue(self, steps: Any) -> Any:
        """A queue of this process, of the transport that the steps are for."""
        is_portable = steps.__name__ == FORMS[0]
        made: Any = portable_queue.Queue(0) if is_portable else transport.Queue(0, ctx=None)
        yield made
        made.close()

    def test_results_arrive_in_any_form(self, steps: Any, queue: Any) -> None:
        """In place, or in the inbox in the order of their coming, whoever delivers them then."""
        from procession._engine.pool.mail import take_in

        values = [None] * 5
        chunk = steps.Chunk("call", 0, "abcde", values)
        book, inbox = steps.TicketBook(None), deque[Any]()
        book.chunks[11] = chunk
        refused = (11, 2, b"")
        for message in ((11, 0, "A", 0.1), (11, 1, 2, ["B", "C"], 0.1), refused, None):
            queue.put(message)
        queue.put((99, 0, "of a chunk that is gone", 0.1))

        assert steps.take_results(queue, book, inbox.append, 10, 5.0) == 5
        left = [entry for entry in inbox if entry is not chunk]
        for message in left:
            if message is not None and message is not refused and len(message) > 3:
                known = book.chunks.get(message[0])
                if known is not None:
                    take_in(message, known)
        assert values == ["A", "B", "C", None, None]
        assert chunk.delivered == 3
        assert [entry for entry in left if entry is None or len(entry) == 3] == [refused, None]

    @pytest.mark.parametrize("emptied", [False, True])
    def test_results_of_many_tasks_are_taken_in_once(
        self, steps: Any, queue: Any, emptied: bool
    ) -> None:
        """Those that came before stay, and a call that has ended gets none."""
        from procession._engine.pool.mail import take_in

        values: list[Any] = [None] * 5
        chunk = steps.Chunk("call", 1, "abcd", values)
        book, inbox = steps.TicketBook(None), deque[Any]()
        book.chunks[11] = chunk
        if emptied:
            values.clear()
        for letters in (["A", "B"], ["x", "y"], ["x", "B", "C", "D"]):
            queue.put((11, 0, len(letters), letters, 0.25))
        steps.take_results(queue, book, inbox.append, 10, 5.0)
        for message in inbox:
            if message is not chunk:
                take_in(message, chunk)

        assert values == ([] if emptied else [None, "A", "B", "C", "D"])
        assert (chunk.delivered, chunk.ran, chunk.seconds) == (4, 4, 0.5)

    def test_nothing_in_time_is_no_error(self, steps: Any, queue: Any) -> None:
        """It is none."""
        assert steps.take_results(queue, steps.TicketBook(None), [].append, 10, 0.0) == 0

    def test_chunk_that_has_ended_is_handed_over(self, steps: Any, queue: Any) -> None:
        """To be looked at; in Python the message is."""
        chunk = steps.Chunk("call", 0, "a", None)
        book, inbox = steps.TicketBook(None), list[Any]()
        book.chunks[3] = chunk
        queue.put((3, 0, "A", 0.0))
        steps.take_results(queue, book, inbox.append, 10, 5.0)
        assert inbox in ([chunk], [(3, 0, "A", 0.0)])


class TestInputIterator:
    """The items of an iterator, each as it was when it was read."""

    def test_what_cannot_change_is_given_as_it_is(self, steps: Any) -> None:
        """Nobody is asked to keep it."""
        items = [1, "two", 3.0, b"4", None, True, (1, "two")]
        assert list(steps.InputIterator(iter(items), pytest.fail)) == items

    @pytest.mark.parametrize("item", [[1], {"a": 1}, ([1], 2), bytearray(b"1"), {1}])
    def test_what_others_could_change_is_kept(self, steps: Any, item: Any) -> None:
        """Others refer to it, or nothing tells."""
        assert list(steps.InputIterator(iter([item, 7]), repr)) == [repr(item), 7]

    def test_an_item_whose_keeping_raised_comes_again(self, steps: Any) -> None:
        """An interruption loses nothing."""
        left = [KeyboardInterrupt]

        def keep(item: Any) -> Any:
            if left:
                raise left.pop()
            return tuple(item)

        items = steps.InputIterator(iter([[1], [2]]), keep)
        with pytest.raises(KeyboardInterrupt):
            next(items)
        assert list(items) == [(1,), (2,)]

    def test_an_iterators_exception_goes_through(self, steps: Any) -> None:
        """And so does its end."""
        items = steps.InputIterator((1 // (1 - place) for place in range(3)), pytest.fail)
        assert next(items) == 1
        with pytest.raises(ZeroDivisionError):
            next(items)
        assert list(items) == []


@pytest.mark.skipif(transport.NAME != "native", reason="the form in C counts references")
def test_what_nobody_else_has_is_given_as_it_is() -> None:
    """A list, dict or array made for the purpose, with what is in it."""
    numpy = pytest.importorskip("numpy")
    shared = [0]
    made = ([place, [{"a": place}]] for place in range(3))
    arrays = (numpy.full(3, place) for place in range(3))
    views = (numpy.zeros(9)[3:] for _ in range(2))
    native = importlib.import_module("procession._engine.native")
    assert len(list(native.InputIterator(made, pytest.fail))) == 3
    assert len(list(native.InputIterator(arrays, pytest.fail))) == 3
    assert list(native.InputIterator(iter(numpy.arange(3.0)), pytest.fail)) == [0.0, 1.0, 2.0]
    assert next(iter(native.InputIterator(views, id))).__class__ is int
    assert list(native.InputIterator(([shared] for _ in range(2)), str)) == ["[[0]]"] * 2
