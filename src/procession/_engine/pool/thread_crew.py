"""The threads of a pool, and what each does: find a call that has tasks, and run them.

Whatever a task raises, also SystemExit, is its outcome: the very object, with its traceback
from the task's first frame on.  Nothing ends a thread but the end of its pool.  While it waits
it holds nothing of the users'.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress

from procession._engine.pool import generation
from procession._engine.pool.recipe import APPLY, STARMAP
from procession._engine.pool.steps import run_tasks
from procession._engine.pool.thread_hands import Hand
from procession._engine.pool.thread_stats import Post

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final

    from procession._engine.pool.calls import ApplyCall
    from procession._engine.pool.thread_calls import SharedCall
    from procession._engine.pool.thread_engine import ThreadEngine

__all__ = ["ThreadCrew"]

_OURS: Final = frozenset({__name__, run_tasks.__module__})


class ThreadCrew:
    """The threads, by slot."""

    def __init__(
        self,
        engine: ThreadEngine,
        make: Callable[..., Any],
        size: int,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
    ) -> None:
        self._engine = engine
        self._make = make
        self.size = size
        self._initializer = initializer
        self._initargs = initargs
        self._generation = generation.current
        self.processes: list[Any] = []
        self.posts = [Post() for _ in range(size)]

    def start_all(self) -> None:
        """Start a thread in every slot."""
        for slot in range(self.size):
            thread = self._make(None, target=self._work, args=(slot,))
            thread.name = f"ThreadPoolWorker-{slot + 1}"
            thread.daemon = True
            thread.start()
            self.processes.append(thread)

    def join(self) -> None:
        """Wait until every thread has ended."""
        for thread in list(self.processes):
            thread.join()

    def _work(self, slot: int) -> None:
        """Be a thread of the pool."""
        post = self.posts[slot] = Post()
        try:
            if self._initialize():
                while self._run_next(slot, post):
                    pass
        finally:
            post.end()

    def _run_next(self, slot: int, post: Post) -> bool:
        """Wait for something to do, and do it; False when the thread is to end."""
        work = None
        try:
            work = self._engine.dispatch.next_work(slot, post)
            if work is None:
                return False
            if isinstance(work, Hand):
                self._help_out(work, slot, post)
            elif work.is_single_task:
                self._run_single(work, post)  # type: ignore[arg-type]  # these are
            else:
                self._join(work, slot, post)  # type: ignore[arg-type]  # as are these
        except BaseException as error:  # an input's SystemExit; no memory; one thrown in here
            if work is not None:
                self._engine.end_with(work.call if isinstance(work, Hand) else work, error)
        return True

    def _initialize(self) -> bool:
        """Run the initializer, until it comes through or too many failed."""
        while True:
            error = None
            try:
                if self._initializer is not None:
                    self._initializer(*self._initargs)
            except BaseException as raised:  # the pool's callers raise it
                error = _bare(raised)
            if not self._engine.note_start(error):
                return False
            if error is None:
                return True

    def _run_single(self, call: ApplyCall, post: Post) -> None:
        item, call.item = call.item, None
        value = error = None
        try:
            if call.kind == APPLY:
                args, keywords = item or ((), {})
                value = call.target(*args, **keywords)
            else:
                value = call.target(*(item or ()))
        except BaseException as raised:  # it is the task's outcome
            error = _bare(raised)
        self._leave_if_forked()
        post.tasks += 1
        self._engine.end_single(call, value, error)

    def _join(self, call: SharedCall, slot: int, post: Post) -> None:
        """Run tasks of a call as long as it has some, or until others should have a turn."""
        dispatch, begun = self._engine.dispatch, time.monotonic()
        goes_on = True
        while goes_on and call.fill():
            dispatch.share(call)
            before, since = post.tasks, time.monotonic()
            if call.pace.grain == 1:
                goes_on = self._run_each(call, post, begun)
            else:
                goes_on = self._run_hands(call, slot, post, begun)
            if post.tasks > before:
                call.pace.learn(post.tasks - before, time.monotonic() - since)
        self._engine.leave(call, slot)

    def _help_out(self, hand: Hand, slot: int, post: Post) -> None:
        """Run tasks that were taken out of another thread's hands."""
        self._run(hand, slot, post)
        self._engine.leave(hand.call, slot)

    def _run_each(self, call: SharedCall, post: Post, begun: float) -> bool:
        """Draw single tasks and run them; False when others should have a turn."""
        engine, draw, put, function = self._engine, call.draw, call.put, call.target
        dispatch = engine.dispatch
        if call.kind == STARMAP:
            function = _spread(function)
        while True:
            try:
                index, item = draw()
            except (LookupError, StopIteration):
                self._leave_if_forked()
                return True
            try:
                put(index, function(item))
            except BaseException as raised:  # as above
                self._leave_if_forked()
                put(index, engine.settle(call, index, _bare(raised)))
            post.tasks += 1
            if call.waiting:
                self._leave_if_forked()
                engine.wake(call)
            if dispatch.crowded:
                self._leave_if_forked()
                if dispatch.is_over(begun):
                    return False

    def _run_hands(self, call: SharedCall, slot: int, post: Post, begun: float) -> bool:
        """Draw several tasks at a time and run them; False when others should have a turn."""
        dispatch, draw = self._engine.dispatch, call.draw
        while True:
            try:
                first, items = draw()
            except (LookupError, StopIteration):
                return True
            self._run(Hand(call, first, items), slot, post)
            if dispatch.crowded and dispatch.is_over(begun):
                return False

    def _run(self, hand: Hand, slot: int, post: Post) -> None:
        """Run the tasks in this thread's hands, as long as nobody takes them away."""
        engine, call = self._engine, hand.call
        values: list[Any] = []
        post.values = values
        engine.dispatch.show(hand, slot)
        through = False
        while not through:
            items = hand.items
            try:
                run_tasks(call.target, items, values, call.kind == STARMAP)
            except BaseException as raised:  # as above
                self._leave_if_forked()
                values.append(engine.settle(call, hand.first + len(values), _bare(raised)))
            else:
                self._leave_if_forked()
                through = hand.is_through(items, engine.lock)
        engine.dispatch.hands[slot] = None
        post.values = ()
        post.tasks += len(values)
        call.put_many(hand.first, values)
        if call.waiting:
            engine.wake(call)

    def _leave_if_forked(self) -> None:
        """End a process that a task forked and that came back from the task.

        It has none of the pool's other threads, and the results are its parent's.
        """
        if self._generation is not generation.current:
            with suppress(Exception):
                sys.stdout.flush()
            os._exit(0)


def _spread(function: Callable[..., Any]) -> Callable[[Iterable[Any]], Any]:
    """Return a function of one argument: the arguments of ``function``."""
    return lambda arguments: function(*arguments)


def _bare(error: BaseException) -> BaseException:
    """An exception without the frames of ours that called the task, which hold what is in them."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in _OURS:
        trace = trace.tb_next
    return error.with_traceback(trace)
