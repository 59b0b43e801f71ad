"""The threads of a pool, and what each does: take a call from the line, run some of its tasks.

Whatever a task raises, also SystemExit, is its outcome: the very object, with its traceback
from the task's first frame on.  Nothing ends a thread but the end of its pool.  While it waits
it holds nothing of the users'.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from itertools import starmap
from typing import TYPE_CHECKING, Any

from procession._engine import lifecycle
from procession._engine.pool.recipe import APPLY, STARMAP
from procession._engine.pool.thread_hands import Hand

if TYPE_CHECKING:
    from collections.abc import Callable

    from procession._engine.pool.calls import ApplyCall, Call, StreamCall
    from procession._engine.pool.steps import Chunk
    from procession._engine.pool.thread_engine import ThreadEngine

__all__ = ["ThreadCrew"]


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
        self._generation = lifecycle.generation
        self.processes: list[Any] = []

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
        if not self._initialize():
            return
        engine = self._engine
        while True:
            call = hand = None
            try:
                call, hand = engine.next_work(slot)
                if hand is not None:
                    self._run(hand, slot)
                elif call is None:
                    return
                elif call.is_single_task:
                    self._run_single(call)  # type: ignore[arg-type]  # these are
                else:
                    self._run_some(call, slot)
            except BaseException as error:  # an input's SystemExit; no memory; one thrown in here
                if call is not None:
                    engine.end_with(call, error)

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

    def _run_single(self, call: ApplyCall) -> None:
        if not self._engine.begin(call, 0):
            return
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
        self._engine.end_single(call, value, error)

    def _run_some(self, call: Call, slot: int) -> None:
        """Take tasks from a call of several, and run them."""
        engine = self._engine
        if not engine.begin(call, slot):
            return
        taken: list[Chunk] = []
        if not call.take_chunk(taken):
            engine.park(call, slot)
            return
        chunk = taken[0]
        engine.pass_on(call)
        self._run(Hand(call, chunk.first, chunk.items), slot)

    def _run(self, hand: Hand, slot: int) -> None:
        """Run the tasks in this thread's hands, as long as nobody takes them away."""
        engine, call = self._engine, hand.call
        if hand.size > 1:
            engine.show_hand(hand, slot)
        begun = time.monotonic()
        if call.single:
            self._run_each(hand, call)  # type: ignore[arg-type]  # a StreamCall
        else:
            self._run_together(hand, call)
        engine.leave(hand, slot, time.monotonic() - begun)

    def _run_each(self, hand: Hand, call: StreamCall) -> None:
        """Run tasks, and hand on the results of each grain as soon as they are there."""
        function, engine, grain = call.target, self._engine, call.pace.grain
        first = hand.first
        values: list[Any] = []
        through = False
        while not (through or call.ended):
            items = hand.items
            for item in items:
                try:
                    value = function(item)
                except BaseException as raised:  # as above
                    value = engine.settle(call, first + len(values), _bare(raised))
                self._leave_if_forked()
                values.append(value)
                if len(values) >= grain:
                    engine.put_in_line(call, first, values)
                    first += len(values)
                    values.clear()
            _, through = engine.look_at(hand, items)
        engine.put_in_line(call, first, values)

    def _run_together(self, hand: Hand, call: Call) -> None:
        """Run tasks whose results nobody sees before the end."""
        function, engine = call.target, self._engine
        loop = starmap if call.kind == STARMAP else map
        values: list[Any] = []
        through = False
        while not (through or call.ended):
            items = hand.items
            error: BaseException
            try:
                # Python's own loops are the quickest.  An exception leaves what was done.
                values.extend(loop(function, items))
                due, through = engine.look_at(hand, items)
                if len(values) == due:
                    continue
                error = StopIteration()  # a task's, which ends the loop and is lost
            except BaseException as raised:  # as above
                error = _bare(raised)
            through = False
            self._leave_if_forked()
            values.append(engine.settle(call, hand.first + len(values), error))
            del error
        self._leave_if_forked()
        engine.put_in_place(call, hand.first, values)

    def _leave_if_forked(self) -> None:
        """End a process that a task forked and that came back from the task.

        It has none of the pool's other threads, and the results are its parent's.
        """
        if self._generation is not lifecycle.generation:
            with suppress(Exception):
                sys.stdout.flush()
            os._exit(0)


def _bare(error: BaseException) -> BaseException:
    """An exception without the frame of ours that caught it, which would hold what is in it."""
    trace = error.__traceback__
    return error.with_traceback(None if trace is None else trace.tb_next)
