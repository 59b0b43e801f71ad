"""What queues and connections promise to asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from typing import Any

import pytest

from tests.contracts import children
from tests.contracts.conftest import Start
from tests.contracts.objects import Unpicklable
from tests.waiting import HANG_GUARD_SECONDS


class AsyncioContract:
    """Instantiate as a test class."""

    @pytest.fixture
    def line(self, any_context: BaseContext) -> Iterator[Any]:
        """A queue in this process."""
        made: Any = any_context.Queue()
        yield made
        made.close()

    def test_aget_takes_what_is_there(self, line: Any) -> None:
        """aget() returns a message that is there, in order."""
        line.put(1)
        line.put(2)

        async def main() -> list[Any]:
            return [await line.aget(), await line.aget()]

        assert asyncio.run(main()) == [1, 2]

    def test_aget_waits_without_blocking_the_loop(self, line: Any) -> None:
        """While aget() waits the loop runs other coroutines, one of which puts."""

        async def main() -> Any:
            getting = asyncio.ensure_future(line.aget())
            for _ in range(5):
                await asyncio.sleep(0)
            assert not getting.done()
            await line.aput("hello")
            return await asyncio.wait_for(getting, HANG_GUARD_SECONDS)

        assert asyncio.run(main()) == "hello"

    def test_many_coroutines_wait_for_one_queue(self, line: Any) -> None:
        """Of many waiting coroutines each gets one message."""

        async def main() -> list[Any]:
            getting = [asyncio.ensure_future(line.aget()) for _ in range(20)]
            await asyncio.sleep(0)
            putter = threading.Thread(target=line.put_many, args=(range(20),))
            putter.start()
            got = await asyncio.wait_for(asyncio.gather(*getting), HANG_GUARD_SECONDS)
            putter.join()
            return got

        assert sorted(asyncio.run(main())) == list(range(20))

    def test_a_cancelled_aget_takes_nothing(self, line: Any) -> None:
        """After a cancelled aget() the message is there for the next one."""

        async def main() -> Any:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(line.aget(), 0.02)
            line.put("kept")
            return await asyncio.wait_for(line.aget(), HANG_GUARD_SECONDS)

        assert asyncio.run(main()) == "kept"
        assert line.empty()

    def test_aput_waits_for_room(self, any_context: BaseContext) -> None:
        """aput() into a full queue waits until somebody takes."""
        bounded: Any = any_context.Queue(1)

        async def main() -> list[Any]:
            await bounded.aput(1)
            putting = asyncio.ensure_future(bounded.aput(2))
            await asyncio.sleep(0)
            assert not putting.done()
            first = await bounded.aget()
            await asyncio.wait_for(putting, HANG_GUARD_SECONDS)
            return [first, await bounded.aget()]

        assert asyncio.run(main()) == [1, 2]

    def test_aput_of_something_unpicklable_raises(self, line: Any) -> None:
        """aput() raises in the caller, as put() does."""
        with pytest.raises(RuntimeError, match="will not be pickled"):
            asyncio.run(line.aput(Unpicklable()))
        assert line.empty()

    def test_closed_queue_says_so(self, line: Any) -> None:
        """aget() and aput() of a closed queue raise ValueError."""
        line.close()
        with pytest.raises(ValueError, match="closed"):
            asyncio.run(line.aget())
        with pytest.raises(ValueError, match="closed"):
            asyncio.run(line.aput(1))

    def test_loops_may_follow_one_another(self, line: Any) -> None:
        """A queue can be used in one event loop after another."""
        for index in range(3):

            async def main(value: int = index) -> Any:
                getting = asyncio.ensure_future(line.aget())
                await asyncio.sleep(0)
                line.put(value)
                return await asyncio.wait_for(getting, HANG_GUARD_SECONDS)

            assert asyncio.run(main()) == index

    def test_add_reader_takes_queues_and_connections(
        self, any_context: BaseContext, line: Any
    ) -> None:
        """loop.add_reader calls back when a message is there."""
        first, second = any_context.Pipe()

        async def main() -> list[Any]:
            loop = asyncio.get_running_loop()
            got: list[Any] = []
            for source, take in ((line, line.get_nowait), (first, first.recv)):
                seen = asyncio.Event()
                loop.add_reader(source, seen.set)
                (line.put if source is line else second.send)("hello")
                await asyncio.wait_for(seen.wait(), HANG_GUARD_SECONDS)
                loop.remove_reader(source)
                got.append(take())
            return got

        assert asyncio.run(main()) == ["hello", "hello"]
        first.close()
        second.close()

    def test_a_child_is_served(self, context: BaseContext, start: Start) -> None:
        """Coroutines talk to a process through aput and aget."""
        tasks: Any = context.Queue()
        answers: Any = context.Queue()

        async def main() -> list[Any]:
            start(children.take_and_answer, tasks, answers)
            got = []
            for index in range(10):
                await tasks.aput(index)
                got.append(await asyncio.wait_for(answers.aget(), HANG_GUARD_SECONDS))
            await tasks.aput(None)
            return got

        assert asyncio.run(main()) == [("int", index) for index in range(10)]
